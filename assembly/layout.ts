// Numbers that AssemblyScript and TypeScript share: tile sizes, struct offsets (bytes), enumerations. Constants only.

/** Rows of a group: weights are repacked so that 8 rows are read as one stream. */
export const GROUP_ROWS = 8
/** Columns that share one activation scale. */
export const BLOCK = 32
/** Tokens of a matrix–matrix tile. */
export const TILE = 4
/** Positions of a KV page; divides PIECE. */
export const PAGE = 64
/** Positions of an attention piece: each piece gives (max, sum, accumulator), and pieces merge in order. */
export const PIECE = 256

// ggml_type ids of the tensor types that have kernels.
export const TYPE_F32 = 0
export const TYPE_F16 = 1
export const TYPE_Q4_0 = 2
export const TYPE_Q4_1 = 3
export const TYPE_Q5_0 = 6
export const TYPE_Q5_1 = 7
export const TYPE_Q8_0 = 8
export const TYPE_Q2_K = 10
export const TYPE_Q3_K = 11
export const TYPE_Q4_K = 12
export const TYPE_Q5_K = 13
export const TYPE_Q6_K = 14
export const TYPE_IQ4_NL = 20
export const TYPE_IQ4_XS = 23
export const TYPE_BF16 = 30

/** Beside a type in TENSOR_TYPE: use the type's alternate kernel (assembly/kernels/dispatch.ts). Relaxed build only. */
export const ALTERNATE = 0x100

// KV cache element types.
export const KV_F32 = 0
export const KV_F16 = 1
export const KV_Q8_0 = 2

// Structs: each offset is the one before plus the size of what stands there.

// A matrix: type, rows, columns, address of the first group, address of f32 bias[rows] or 0, bytes of a group; columns and
// bytes of a panel (panels.ts), of which the last may have fewer.
export const TENSOR_TYPE = 0
export const TENSOR_ROWS = TENSOR_TYPE + 4
export const TENSOR_COLUMNS = TENSOR_ROWS + 4
export const TENSOR_DATA = TENSOR_COLUMNS + 4
export const TENSOR_BIAS = TENSOR_DATA + 4
export const TENSOR_GROUP_BYTES = TENSOR_BIAS + 4
export const TENSOR_PANEL_COLUMNS = TENSOR_GROUP_BYTES + 4
export const TENSOR_PANEL_BYTES = TENSOR_PANEL_COLUMNS + 4
export const TENSOR_BYTES = TENSOR_PANEL_BYTES + 4

// A feed-forward network: its matrices, of which the gate may be absent (no rows).
export const FFN_GATE = 0
export const FFN_UP = FFN_GATE + TENSOR_BYTES
export const FFN_DOWN = FFN_UP + TENSOR_BYTES
export const FFN_BYTES = FFN_DOWN + TENSOR_BYTES

// A rotary embedding: dimensions of a head that it rotates, what cosines and sines are multiplied by, its tables.
export const ROPE_DIM = 0
export const ROPE_SCALE = ROPE_DIM + 4 // f32
export const ROPE_FREQUENCIES = ROPE_SCALE + 4 // f64 [dim / 2], radians a position
export const ROPE_TABLE = ROPE_FREQUENCIES + 4 // f32 [batch, dim / 2, (cos, sin)], of the batch at hand
export const ROPE_BYTES = ROPE_TABLE + 4

// A layer. Addresses of f32 vectors are 0 where the architecture has none. Norms: f32[dim] weights and, for LayerNorm, biases.
export const LAYER_ATTN_NORM = 0
export const LAYER_ATTN_NORM_BIAS = LAYER_ATTN_NORM + 4
/** Before the sum with the residual stream. */
export const LAYER_ATTN_POST_NORM = LAYER_ATTN_NORM_BIAS + 4
export const LAYER_FFN_NORM = LAYER_ATTN_POST_NORM + 4
export const LAYER_FFN_NORM_BIAS = LAYER_FFN_NORM + 4
export const LAYER_FFN_POST_NORM = LAYER_FFN_NORM_BIAS + 4
/** See MODEL_HEAD_NORM: f32[headDim], or f32 [heads, headDim]. */
export const LAYER_ATTN_Q_NORM = LAYER_FFN_POST_NORM + 4
export const LAYER_ATTN_K_NORM = LAYER_ATTN_Q_NORM + 4
export const LAYER_K_CACHE = LAYER_ATTN_K_NORM + 4
export const LAYER_V_CACHE = LAYER_K_CACHE + 4
/** Positions that a query sees, its own among them; 0: all before it. */
export const LAYER_WINDOW = LAYER_V_CACHE + 4
/** Address of the ROPE, or 0: heads are not rotated. */
export const LAYER_ROPE = LAYER_WINDOW + 4
/** Forms (FORM_*) of the activations that q/k/v, output, gate/up and down read. */
export const LAYER_FORMS_QKV = LAYER_ROPE + 4
export const LAYER_FORMS_OUTPUT = LAYER_FORMS_QKV + 4
export const LAYER_FORMS_FFN = LAYER_FORMS_OUTPUT + 4
export const LAYER_FORMS_DOWN = LAYER_FORMS_FFN + 4
export const LAYER_ATTN_Q = LAYER_FORMS_DOWN + 4
export const LAYER_ATTN_K = LAYER_ATTN_Q + TENSOR_BYTES
export const LAYER_ATTN_V = LAYER_ATTN_K + TENSOR_BYTES
export const LAYER_ATTN_OUTPUT = LAYER_ATTN_V + TENSOR_BYTES
/** The FFN of a dense layer. */
export const LAYER_FFN = LAYER_ATTN_OUTPUT + TENSOR_BYTES
/** A layer with experts: its router, whose forms join LAYER_FORMS_FFN's, and an FFN for each expert (0: a dense layer). */
export const LAYER_FFN_GATE_INP = LAYER_FFN + FFN_BYTES
export const LAYER_FORMS_GATE_INP = LAYER_FFN_GATE_INP + TENSOR_BYTES
export const LAYER_EXPERTS = LAYER_FORMS_GATE_INP + 4
/** The FFN that every token takes beside its experts (0: none), and the matrix of one row whose sigmoid weighs it (no rows: 1). */
export const LAYER_SHARED = LAYER_EXPERTS + 4
export const LAYER_FORMS_SHARED_DOWN = LAYER_SHARED + 4
export const LAYER_FFN_GATE_INP_SHEXP = LAYER_FORMS_SHARED_DOWN + 4
export const LAYER_BYTES = LAYER_FFN_GATE_INP_SHEXP + TENSOR_BYTES

// Forms of activations, bits: int8 blocks for quantized weights, f32 tiles for F32 and F16 weights.
export const FORM_Q8 = 1
export const FORM_F32 = 2

// MODEL_NORM.
export const NORM_RMS = 0
export const NORM_LAYER = 1

// MODEL_HEAD_NORM: norms of queries and keys, of each head before or after it is rotated, with the same weights or (EACH, before)
// with weights of its own, or of a whole row before.
export const HEAD_NORM_BEFORE = 0
export const HEAD_NORM_AFTER = 1
export const HEAD_NORM_EACH = 2
export const HEAD_NORM_ROW = 3

// MODEL_ACTIVATION, and what else becomes of a matrix's results (linear.ts).
export const STORE = 0
export const ADD = 1
export const ACTIVATION_SWIGLU = 2
export const ACTIVATION_GEGLU = 3
export const ACTIVATION_RELU2 = 4

// MODEL_GATING, bits: the weights of the chosen experts are divided by their sum.
export const GATING_NORMALIZED = 1

// A segment's model: sizes, traits, addresses of tables, buffers and of the batch at hand.
export const MODEL_DIM = 0
export const MODEL_LAYERS = MODEL_DIM + 4
export const MODEL_HEADS = MODEL_LAYERS + 4
export const MODEL_KV_HEADS = MODEL_HEADS + 4
export const MODEL_HEAD_DIM = MODEL_KV_HEADS + 4
export const MODEL_VOCAB = MODEL_HEAD_DIM + 4
export const MODEL_EPS = MODEL_VOCAB + 4 // f32
export const MODEL_KV_TYPE = MODEL_EPS + 4
export const MODEL_LAYER_TABLE = MODEL_KV_TYPE + 4
export const MODEL_OUTPUT_NORM = MODEL_LAYER_TABLE + 4
export const MODEL_OUTPUT_NORM_BIAS = MODEL_OUTPUT_NORM + 4
export const MODEL_CONTROL = MODEL_OUTPUT_NORM_BIAS + 4
/** 1 in the segment that holds the embedding. */
export const MODEL_FIRST = MODEL_CONTROL + 4
export const MODEL_FORMS_OUTPUT = MODEL_FIRST + 4
// Traits. Scales are f32 and 1 where the architecture has none; caps are f32 and 0.
export const MODEL_NORM = MODEL_FORMS_OUTPUT + 4
export const MODEL_HEAD_NORM = MODEL_NORM + 4
export const MODEL_ACTIVATION = MODEL_HEAD_NORM + 4
export const MODEL_GATING = MODEL_ACTIVATION + 4
/** The feed-forward network reads what attention reads: both join the residual stream beside each other. */
export const MODEL_PARALLEL = MODEL_GATING + 4
export const MODEL_EMBEDDING_SCALE = MODEL_PARALLEL + 4
export const MODEL_RESIDUAL_SCALE = MODEL_EMBEDDING_SCALE + 4
export const MODEL_ATTN_SCALE = MODEL_RESIDUAL_SCALE + 4
export const MODEL_LOGIT_SCALE = MODEL_ATTN_SCALE + 4
export const MODEL_EXPERT_SCALE = MODEL_LOGIT_SCALE + 4
/** x becomes cap · tanh(x / cap). */
export const MODEL_ATTN_CAP = MODEL_EXPERT_SCALE + 4
export const MODEL_LOGIT_CAP = MODEL_ATTN_CAP + 4
/** ROPE [ropes]. */
export const MODEL_ROPES = MODEL_LOGIT_CAP + 4
export const MODEL_N_ROPES = MODEL_ROPES + 4
// Buffers.
export const MODEL_X = MODEL_N_ROPES + 4 // f32 [batch, dim], the hidden state
export const MODEL_NORMED = MODEL_X + 4 // f32 [batch, dim]
export const MODEL_POST = MODEL_NORMED + 4 // f32 [batch, dim]: what a post norm reads
export const MODEL_ACTS = MODEL_POST + 4 // int8 blocks of the stage at hand
export const MODEL_ACTS_F32 = MODEL_ACTS + 4
export const MODEL_H_ACTS = MODEL_ACTS_F32 + 4 // int8 blocks of what down projections read
export const MODEL_H_ACTS_F32 = MODEL_H_ACTS + 4
export const MODEL_QB = MODEL_H_ACTS_F32 + 4 // f32 [batch, heads · headDim], rotated and scaled
export const MODEL_KB = MODEL_QB + 4 // f32 [batch, kvHeads · headDim]
export const MODEL_VB = MODEL_KB + 4 // f32 [batch, kvHeads · headDim]
export const MODEL_ATTN = MODEL_VB + 4 // f32 [batch, heads · headDim]
export const MODEL_H = MODEL_ATTN + 4 // f32 [batch, ffn]
export const MODEL_H_SHARED = MODEL_H + 4 // f32 [batch, shared ffn]
export const MODEL_PARTIALS = MODEL_H_SHARED + 4 // f32 [heads, pieces, state]
export const MODEL_LOGITS = MODEL_PARTIALS + 4 // f32 [outputs, vocab]
export const MODEL_SCRATCH = MODEL_LOGITS + 4 // of each thread
export const MODEL_SCRATCH_BYTES = MODEL_SCRATCH + 4
/** Of each thread: a single token's activations, f32 and, MODEL_PRIVATE_ACTS bytes on, as int8 blocks. */
export const MODEL_PRIVATE = MODEL_SCRATCH_BYTES + 4
export const MODEL_PRIVATE_BYTES = MODEL_PRIVATE + 4
export const MODEL_PRIVATE_ACTS = MODEL_PRIVATE_BYTES + 4
// The batch at hand: rows of one or more sequences, those of a sequence one after the other in order of position.
export const MODEL_N = MODEL_PRIVATE_ACTS + 4
export const MODEL_TOKENS = MODEL_N + 4 // i32 [batch]
export const MODEL_POSITIONS = MODEL_TOKENS + 4 // i32 [batch]
/** f32 [batch], what the queries of each row are multiplied by, or 0. */
export const MODEL_QUERY_SCALES = MODEL_POSITIONS + 4
export const MODEL_TABLES = MODEL_QUERY_SCALES + 4 // i32 [batch], address of each row's page table
export const MODEL_N_OUTPUTS = MODEL_TABLES + 4
export const MODEL_OUTPUTS = MODEL_N_OUTPUTS + 4 // i32 [outputs], rows of x whose logits are wanted
/** How the rows of a batch are shared out for attention: i32 [units, (first query, queries)], each of one sequence. */
export const MODEL_UNITS = MODEL_OUTPUTS + 4
export const MODEL_N_UNITS = MODEL_UNITS + 4
export const MODEL_EMBEDDING = MODEL_N_UNITS + 4
export const MODEL_OUTPUT = MODEL_EMBEDDING + TENSOR_BYTES
// Experts of a layer, and how many of them a token takes; 0 in a dense model. A slot is a token's place with an expert.
export const MODEL_EXPERTS = MODEL_OUTPUT + TENSOR_BYTES
export const MODEL_EXPERTS_USED = MODEL_EXPERTS + 4
export const MODEL_ROUTER = MODEL_EXPERTS_USED + 4 // f32 [batch, experts], the router's logits
export const MODEL_ROUTES = MODEL_ROUTER + 4 // ROUTE [batch, used]
export const MODEL_SLOTS = MODEL_ROUTES + 4 // f32 [batch · used, dim]: what experts read, and then what they gave
export const MODEL_PARTS = MODEL_SLOTS + 4 // PART [experts]
export const MODEL_PARTS_USED = MODEL_PARTS + 4 // how many of them there are
export const MODEL_SHARED_GATES = MODEL_PARTS_USED + 4 // f32 [batch], what FFN_GATE_INP_SHEXP gave
/** 1: what matrices read stays to be looked at, a single token's attention at MODEL_ATTN too. */
export const MODEL_KEEP = MODEL_SHARED_GATES + 4
export const MODEL_BYTES = MODEL_KEEP + 4

// A token's way to one of its experts: its slot (as long as none is given out: the expert), f32, the weight, the expert.
export const ROUTE_SLOT = 0
export const ROUTE_WEIGHT = ROUTE_SLOT + 4
export const ROUTE_EXPERT = ROUTE_WEIGHT + 4
export const ROUTE_BYTES = ROUTE_EXPERT + 4

// An expert's part of a batch: its tokens have slots of their own, one after the other.
export const PART_EXPERT = 0 // address of the FFN
export const PART_TOKENS = PART_EXPERT + 4 // how many
export const PART_SLOT = PART_TOKENS + 4 // the first
/** Tokens before its first tile, if those of all parts follow each other. */
export const PART_TILED = PART_SLOT + 4
export const PART_BYTES = PART_TILED + 4

// A repack job: a state (0 until it is done, then 1 + what repack returned), in which segment, repack's arguments.
export const JOB_STATE = 0
export const JOB_SEGMENT = JOB_STATE + 4
export const JOB_TENSOR = JOB_SEGMENT + 4
export const JOB_SRC = JOB_TENSOR + 4
export const JOB_ROW_BYTES = JOB_SRC + 4
export const JOB_FIRST_ROW = JOB_ROW_BYTES + 4
export const JOB_ROWS = JOB_FIRST_ROW + 4
export const JOB_BYTES = JOB_ROWS + 4

/** Bytes of a cache line. */
const LINE = 64
export const MAX_THREADS = 64
/** Repack jobs in the ring. */
export const JOBS = 8
export const JOBS_OVER = -1

// Control words, each on a cache line of its own but where they are never waited for together.
export const CONTROL_ARRIVED = 0
export const CONTROL_GENERATION = CONTROL_ARRIVED + LINE
export const CONTROL_SLEEPERS = CONTROL_GENERATION + LINE
/** Not 0 once a worker has died: every wait ends. */
export const CONTROL_POISON = CONTROL_SLEEPERS + LINE
/** Not 0 while an abort is asked for; read between layers. */
export const CONTROL_ABORT = CONTROL_POISON + LINE
/** Thread 0's copy of the abort flag, on which all threads act. */
export const CONTROL_DECISION = CONTROL_ABORT + LINE
/** Counts commands; threads park on it. */
export const CONTROL_TICKET = CONTROL_DECISION + LINE
export const CONTROL_COMMAND = CONTROL_TICKET + LINE
export const CONTROL_PARKED = CONTROL_COMMAND + LINE
/** Pool threads that are ready, and whether one of them found an alternate kernel inexact. */
export const CONTROL_READY = CONTROL_PARKED + 4
export const CONTROL_INEXACT = CONTROL_READY + 4
/** Not 0 once a key or value did not fit an f16 cache. */
export const CONTROL_OVERFLOW = CONTROL_INEXACT + 4
/** Chunks of work claimed so far, by all threads together. */
export const CONTROL_COUNTER = CONTROL_OVERFLOW + 52
/** For each thread, on a line of its own: the counter's value when the stage at hand began. */
export const CONTROL_STAGE = CONTROL_COUNTER + LINE
/** Repack jobs that were published (JOBS_OVER: no more will be) and that were claimed; then a ring of them. */
export const CONTROL_PUBLISHED = CONTROL_STAGE + MAX_THREADS * LINE
export const CONTROL_CLAIMED = CONTROL_PUBLISHED + LINE
export const CONTROL_JOBS = CONTROL_CLAIMED + LINE
export const CONTROL_BYTES = CONTROL_JOBS + JOBS * JOB_BYTES

export const COMMAND_FORWARD = 1
export const COMMAND_OUTPUT = 2
export const COMMAND_EXIT = 3

// What forward and output return.
export const STATUS_OK = 0
export const STATUS_ABORTED = 1
export const STATUS_POISONED = 2

// What repack returns beside 0.
export const REPACK_NOT_FINITE = 1
export const REPACK_UNKNOWN_TYPE = 2

/** Largest head dimension that attention's states have room for. */
export const MAX_HEAD_DIM = 512
/** Floats before the accumulator of an attention state: max, sum, 2 unused. */
export const STATE_HEAD = 4
/** A whole number of vectors. */
export const MAX_STATE_BYTES = (STATE_HEAD + MAX_HEAD_DIM) * 4

export const QUERY_TILE = 4
export const QUERY_UNIT = 64

// A thread's scratch: its THREAD struct (assembly/model/thread.ts), results of four groups for 16 tokens, then, at different
// times, the unpacked group or attention's working state: for query tiles of 4 and units of 64 queries the scores f32
// [4, PIECE], the states of a tile in the next piece, the states of a unit, its queries f32 [64, headDim], and a piece of the
// cache as f32, keys and values.
export const SCRATCH_THREAD = 0
export const SCRATCH_RESULTS = SCRATCH_THREAD + 64 // f32 [4, 16, 8]
export const SCRATCH_UNPACK = SCRATCH_RESULTS + 2048
export const SCRATCH_ATTENTION = SCRATCH_UNPACK
export const SCRATCH_NEXT_STATES = SCRATCH_ATTENTION + QUERY_TILE * PIECE * 4
export const SCRATCH_STATES = SCRATCH_NEXT_STATES + QUERY_TILE * MAX_STATE_BYTES
export const SCRATCH_QUERIES = SCRATCH_STATES + QUERY_UNIT * MAX_STATE_BYTES
/** Bytes that queries, keys and values take of it for each padded dimension of a head. */
export const SCRATCH_DIMENSION_BYTES = (QUERY_UNIT + 2 * PIECE) * 4

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

// A matrix: type, rows, columns, address of the first group, address of f32 bias[rows] or 0, bytes of a group; columns and
// bytes of a panel (panels.ts), of which the last may have fewer.
export const TENSOR_TYPE = 0
export const TENSOR_ROWS = 4
export const TENSOR_COLUMNS = 8
export const TENSOR_DATA = 12
export const TENSOR_BIAS = 16
export const TENSOR_GROUP_BYTES = 20
export const TENSOR_PANEL_COLUMNS = 24
export const TENSOR_PANEL_BYTES = 28
export const TENSOR_BYTES = 32

// A layer: two norms (addresses of f32[dim]), which forms of activations each stage needs, its caches, its matrices.
export const LAYER_ATTN_NORM = 0
export const LAYER_FFN_NORM = 4
export const LAYER_K_CACHE = 8
export const LAYER_V_CACHE = 12
/** Forms (FORM_*) of the activations that q/k/v, output, gate/up and down read. */
export const LAYER_FORMS_QKV = 16
export const LAYER_FORMS_OUT = 20
export const LAYER_FORMS_FFN = 24
export const LAYER_FORMS_DOWN = 28
export const LAYER_Q = 32
export const LAYER_K = 64
export const LAYER_V = 96
export const LAYER_O = 128
export const LAYER_GATE = 160
export const LAYER_UP = 192
export const LAYER_DOWN = 224
/** A layer with experts: its router, whose forms join LAYER_FORMS_FFN's, and its experts (0: dense, and GATE, UP, DOWN count). */
export const LAYER_ROUTER = 256
export const LAYER_FORMS_ROUTER = 288
export const LAYER_EXPERTS = 292
export const LAYER_BYTES = 320

// An expert: its matrices.
export const EXPERT_GATE = 0
export const EXPERT_UP = 32
export const EXPERT_DOWN = 64
export const EXPERT_BYTES = 96

// Forms of activations, bits: int8 blocks for quantized weights, f32 tiles for F32 and F16 weights.
export const FORM_Q8 = 1
export const FORM_F32 = 2

// A segment's model: sizes, addresses of tables, buffers and of the batch at hand.
export const MODEL_DIM = 0
export const MODEL_FFN = 4
export const MODEL_LAYERS = 8
export const MODEL_HEADS = 12
export const MODEL_KV_HEADS = 16
export const MODEL_HEAD_DIM = 20
export const MODEL_ROPE_DIM = 24
export const MODEL_VOCAB = 28
export const MODEL_EPS = 32 // f32
export const MODEL_KV_TYPE = 36
export const MODEL_LAYER_TABLE = 40
export const MODEL_OUTPUT_NORM = 44
export const MODEL_ROPE_FREQS = 48 // f64[ropeDim / 2]
export const MODEL_ROPE_SCALE = 52 // f32
export const MODEL_ATTN_SCALE = 56 // f32
export const MODEL_CONTROL = 60
/** 1 in the segment that holds the embedding. */
export const MODEL_FIRST = 64
export const MODEL_FORMS_OUTPUT = 68
// Buffers.
export const MODEL_X = 72 // f32 [batch, dim], the hidden state
export const MODEL_NORM = 76 // f32 [batch, dim]
export const MODEL_ACTS = 80 // int8 blocks of the stage at hand
export const MODEL_ACTS_F32 = 84
export const MODEL_H_ACTS = 88 // int8 blocks of silu(gate) · up
export const MODEL_H_ACTS_F32 = 92
export const MODEL_QB = 96 // f32 [batch, heads · headDim], rotated and scaled
export const MODEL_ATTN = 100 // f32 [batch, heads · headDim]
export const MODEL_H = 104 // f32 [batch, ffn]
export const MODEL_ROPE = 108 // f32 [batch, ropeDim / 2, (cos, sin)]
export const MODEL_PARTIALS = 112 // f32 [heads, pieces, state]
export const MODEL_LOGITS = 116 // f32 [outputs, vocab]
export const MODEL_SCRATCH = 120 // of each thread
export const MODEL_SCRATCH_BYTES = 124
/** Of each thread: a single token's activations, f32 and, MODEL_PRIVATE_ACTS bytes on, as int8 blocks. */
export const MODEL_PRIVATE = 128
export const MODEL_PRIVATE_BYTES = 132
export const MODEL_PRIVATE_ACTS = 136
// f32 [batch, kvHeads · headDim] each, where the cache is quantized.
export const MODEL_KB = 164
export const MODEL_VB = 168
// The batch at hand: rows of one or more sequences, those of a sequence one after the other in order of position.
export const MODEL_N = 140
export const MODEL_TOKENS = 144 // i32 [batch]
export const MODEL_POSITIONS = 148 // i32 [batch]
export const MODEL_QUERY_SCALES = 288 // f32 [batch], what each row's queries are multiplied by
export const MODEL_TABLES = 152 // i32 [batch], address of each row's page table
export const MODEL_N_OUTPUTS = 156
export const MODEL_OUTPUTS = 160 // i32 [outputs], rows of x whose logits are wanted
/** How the rows of a batch are shared out for attention: i32 [units, (first query, queries)], each of one sequence. */
export const MODEL_UNITS = 172
export const MODEL_N_UNITS = 176
export const MODEL_EMBEDDING = 192 // TENSOR
export const MODEL_OUTPUT = 224 // TENSOR
// Experts of a layer, and how many of them a token takes; 0 in a dense model. A slot is a token's place with an expert.
export const MODEL_EXPERTS = 256
export const MODEL_EXPERTS_USED = 260
export const MODEL_ROUTER = 264 // f32 [batch, experts], the router's logits
export const MODEL_ROUTES = 268 // ROUTE [batch, used]
export const MODEL_SLOTS = 272 // f32 [batch · used, dim]: what experts read, and then what they gave
export const MODEL_PARTS = 276 // PART [experts]
export const MODEL_PARTS_USED = 280 // how many of them there are
/** 1: what matrices read stays to be looked at, a single token's attention at MODEL_ATTN too. */
export const MODEL_KEEP = 284
export const MODEL_BYTES = 320

// A token's way to one of its experts: its slot (as long as none is given out: the expert), f32, the weight, the expert.
export const ROUTE_SLOT = 0
export const ROUTE_WEIGHT = 4
export const ROUTE_EXPERT = 8
export const ROUTE_BYTES = 12

// An expert's part of a batch: its tokens have slots of their own, one after the other.
export const PART_EXPERT = 0 // address of the EXPERT
export const PART_TOKENS = 4 // how many
export const PART_SLOT = 8 // the first
/** Tokens before its first tile, if those of all parts follow each other. */
export const PART_TILED = 12
export const PART_BYTES = 16

// Control words, each on a cache line of its own.
export const CONTROL_ARRIVED = 0
export const CONTROL_GENERATION = 64
export const CONTROL_SLEEPERS = 128
/** Not 0 once a worker has died: every wait ends. */
export const CONTROL_POISON = 192
/** Not 0 while an abort is asked for; read between layers. */
export const CONTROL_ABORT = 256
/** Thread 0's copy of the abort flag, on which all threads act. */
export const CONTROL_DECISION = 320
/** Counts commands; threads park on it. */
export const CONTROL_TICKET = 384
export const CONTROL_COMMAND = 448
export const CONTROL_PARKED = 512
/** Pool threads that are ready, and whether one of them found an alternate kernel inexact. */
export const CONTROL_READY = 516
export const CONTROL_INEXACT = 520
/** Not 0 once a key or value did not fit an f16 cache. */
export const CONTROL_OVERFLOW = 524
/** Chunks of work claimed so far, by all threads together. */
export const CONTROL_COUNTER = 576
/** For each thread, on a line of its own: the counter's value when the stage at hand began. */
export const CONTROL_STAGE = 640
export const MAX_THREADS = 64
/** Jobs for repacking that were published (JOBS_OVER: no more will be) and that were claimed; then a ring of them. */
export const CONTROL_PUBLISHED = 4736
export const CONTROL_CLAIMED = 4800
export const CONTROL_JOBS = 4864
export const CONTROL_BYTES = 5376
export const JOBS_OVER = -1

// A job for repacking: a state (0 until it is done, then 1 + what repack returned), in which segment, repack's arguments.
export const JOBS = 8
export const JOB_BYTES = 64
export const JOB_STATE = 0
export const JOB_SEGMENT = 4
export const JOB_TYPE = 8
export const JOB_SRC = 12
export const JOB_ROWS = 16
export const JOB_COLUMNS = 20
export const JOB_ROW_BYTES = 24
export const JOB_DST = 28
export const JOB_GROUP_BYTES = 32
export const JOB_GROUPS = 36
export const JOB_FIRST = 40
export const JOB_PANEL_COLUMNS = 44
export const JOB_PANEL_BYTES = 48

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

// A thread's scratch: results of four groups for 16 tokens, then, at different times, the unpacked group or attention's
// working state.
export const SCRATCH_RESULTS = 0 // f32 [4, 16, 8]
export const SCRATCH_UNPACK = 2048
export const SCRATCH_ATTENTION = 2048
/** Largest head dimension that attention's states have room for. */
export const MAX_HEAD_DIM = 512
/** Floats before the accumulator of an attention state: max, sum, 2 unused. */
export const STATE_HEAD = 4
export const MAX_STATE_BYTES = 2064

// Attention's part of it, for query tiles of 4 and units of 64 queries: scores f32 [4, PIECE], the states of a tile in the
// next piece, the states of a unit, its queries f32 [64, headDim], and a piece of the cache as f32, keys and values.
export const QUERY_TILE = 4
export const QUERY_UNIT = 64
export const SCRATCH_NEXT_STATES = SCRATCH_ATTENTION + QUERY_TILE * PIECE * 4
export const SCRATCH_STATES = SCRATCH_NEXT_STATES + QUERY_TILE * MAX_STATE_BYTES
export const SCRATCH_QUERIES = SCRATCH_STATES + QUERY_UNIT * MAX_STATE_BYTES
/** Bytes that queries, keys and values take of it for each padded dimension of a head. */
export const SCRATCH_DIMENSION_BYTES = (QUERY_UNIT + 2 * PIECE) * 4

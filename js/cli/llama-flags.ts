/**
 * The flags that llama.cpp's tools share (its common/arg.cpp, and names of earlier releases), as far as cria knows them by name
 * alone. tests/cli/llama-flags.test.ts goes through llama.cpp's own list.
 */
import type { Flags } from './flags.ts'
import { type ForeignFlag, neutral, refused, refusedBut } from './foreign.ts'

/** llama.cpp's older `-fa` is a switch. */
const FLASH: ForeignFlag = {
  names: ['-fa', '--flash-attn'],
  values: 1,
  optional: ['on', 'off', 'auto', 'enabled', 'disabled', 'true', 'false', '0', '1', '-1'],
  env: 'LLAMA_ARG_FLASH_ATTN',
  reason: 'cria has one attention, which keeps no matrix of scores',
  refused: false,
}

/** Of every tool that computes. */
export const ENGINE: readonly ForeignFlag[] = [
  FLASH,
  ...neutral(
    "cria's threads belong to the JavaScript engine, which places them",
    '-tb --threads-batch:1',
    '-C --cpu-mask:1',
    '-Cr --cpu-range:1',
    '--cpu-strict:1',
    '--prio:1',
    '--poll:1',
    '-Cb --cpu-mask-batch:1',
    '-Crb --cpu-range-batch:1',
    '--cpu-strict-batch:1',
    '--prio-batch:1',
    '--poll-batch:1',
    '--numa:1=LLAMA_ARG_NUMA',
  ),
  ...neutral(
    'cria computes on the CPU',
    '-ngl --gpu-layers --n-gpu-layers:1=LLAMA_ARG_N_GPU_LAYERS',
    '-dev --device:1=LLAMA_ARG_DEVICE',
    '-sm --split-mode:1=LLAMA_ARG_SPLIT_MODE',
    '-ts --tensor-split:1=LLAMA_ARG_TENSOR_SPLIT',
    '-mg --main-gpu:1=LLAMA_ARG_MAIN_GPU',
    '-fit --fit:1=LLAMA_ARG_FIT',
    '-fitt --fit-target:1=LLAMA_ARG_FIT_TARGET',
    '-fitc --fit-ctx:1=LLAMA_ARG_FIT_CTX',
    '-fitp --fit-print:1=LLAMA_ARG_FIT_ESTIMATE',
    '-kvo --kv-offload -nkvo --no-kv-offload=LLAMA_ARG_KV_OFFLOAD',
    '--op-offload -nopo --no-op-offload',
    '-ot --override-tensor:1=LLAMA_ARG_OVERRIDE_TENSOR',
    '-cmoe --cpu-moe=LLAMA_ARG_CPU_MOE',
    '-ncmoe --n-cpu-moe:1=LLAMA_ARG_N_CPU_MOE',
    '-ncffn --n-cpu-ffn:1=LLAMA_ARG_N_CPU_FFN',
    '--no-host=LLAMA_ARG_NO_HOST',
  ),
  ...neutral(
    'cria reads the weights once, into memory of its own, and repacks them there',
    '--repack -nr --no-repack=LLAMA_ARG_REPACK',
    '-lm --load-mode:1=LLAMA_ARG_LOAD_MODE',
    '-lzm --lazy-mode:1=LLAMA_ARG_LAZY_MODE',
    '--mlock=LLAMA_ARG_MLOCK',
    '--mmap --no-mmap=LLAMA_ARG_MMAP',
    '-dio --direct-io -ndio --no-direct-io=LLAMA_ARG_DIO',
    '--check-tensors',
    '--warmup --no-warmup',
  ),
  ...neutral('the size of a pass never changes the text; -b sets it', '-ub --ubatch-size:1=LLAMA_ARG_UBATCH'),
  ...neutral(
    'the KV cache is one, in pages that all texts share',
    '-kvu --kv-unified -no-kvu --no-kv-unified=LLAMA_ARG_KV_UNIFIED',
    '--swa-full=LLAMA_ARG_SWA_FULL',
    '-dt --defrag-thold:1=LLAMA_ARG_DEFRAG_THOLD',
  ),
  ...neutral(
    'cria writes what it has to say to stderr; -v says more',
    '--log-disable',
    '--log-file:1=LLAMA_ARG_LOG_FILE',
    '--log-jsonl --no-log-jsonl=LLAMA_ARG_LOG_JSONL',
    '--log-colors:1=LLAMA_ARG_LOG_COLORS',
    '--log-prefix --no-log-prefix=LLAMA_ARG_LOG_PREFIX',
    '--log-timestamps --no-log-timestamps=LLAMA_ARG_LOG_TIMESTAMPS',
    '-lv --verbosity --log-verbosity:1=LLAMA_ARG_LOG_VERBOSITY',
    '--perf --no-perf=LLAMA_ARG_PERF',
  ),
  ...neutral(
    'speculative decoding changes no text, and cria does without',
    '--spec-draft-type-k -ctkd --cache-type-k-draft:1=LLAMA_ARG_SPEC_DRAFT_CACHE_TYPE_K',
    '--spec-draft-type-v -ctvd --cache-type-v-draft:1=LLAMA_ARG_SPEC_DRAFT_CACHE_TYPE_V',
  ),
  ...refused(
    'cria runs a model as its file has it: merge the adapter first, with llama-export-lora',
    '--lora:1',
    '--lora-scaled:1',
  ),
  ...refused(
    'cria has no control vectors',
    '--control-vector:1',
    '--control-vector-scaled:1',
    '--control-vector-layer-range:2',
  ),
  ...refused('cria computes on one machine', '-rpc --rpc:1=LLAMA_ARG_RPC'),
  ...refused('cria loads no models from Docker Hub: give -hf or -mu', '-dr --docker-repo:1=LLAMA_ARG_DOCKER_REPO'),
  ...refused('cria computes on the CPU and has no devices to list', '--list-devices'),
  ...refused('cria keeps no files that it has read', '-cl --cache-list'),
  ...refused('cria has no completion for shells', '--completion-bash'),
]

/** Of tools that generate. */
export const SAMPLERS: readonly ForeignFlag[] = [
  ...neutral('cria samples on the CPU', '-bs --backend-sampling=LLAMA_ARG_BACKEND_SAMPLING'),
  ...refusedBut(
    ['1'],
    'cria has no self-extension; --rope-scaling is there',
    '-gan --grp-attn-n:1=LLAMA_ARG_GRP_ATTN_N',
  ),
  ...neutral('it counts with --grp-attn-n alone, which cria does not have', '-gaw --grp-attn-w:1=LLAMA_ARG_GRP_ATTN_W'),
]

/** Speculation gives the same text, sooner: of the server and the chat. */
export const SPECULATION: readonly ForeignFlag[] = [
  ...neutral(
    'speculative decoding changes no text, and cria does without',
    '--spec-type:1=LLAMA_ARG_SPEC_TYPE',
    '--spec-default',
    '--spec-draft-model -md --model-draft:1=LLAMA_ARG_SPEC_DRAFT_MODEL',
    '--spec-draft-hf -hfd -hfrd --hf-repo-draft:1=LLAMA_ARG_SPEC_DRAFT_HF_REPO',
    '--spec-draft-threads -td --threads-draft:1',
    '--spec-draft-threads-batch -tbd --threads-batch-draft:1',
    '--spec-draft-cpu-mask -Cd --cpu-mask-draft:1',
    '--spec-draft-cpu-range -Crd --cpu-range-draft:1',
    '--spec-draft-cpu-strict --cpu-strict-draft:1',
    '--spec-draft-prio --prio-draft:1',
    '--spec-draft-poll --poll-draft:1',
    '--spec-draft-cpu-mask-batch -Cbd --cpu-mask-batch-draft:1',
    '--spec-draft-cpu-range-batch -Crbd --cpu-range-batch-draft:1',
    '--spec-draft-cpu-strict-batch --cpu-strict-batch-draft:1',
    '--spec-draft-prio-batch --prio-batch-draft:1',
    '--spec-draft-poll-batch --poll-batch-draft:1',
    '--spec-draft-override-tensor -otd --override-tensor-draft:1',
    '--spec-draft-cpu-moe -cmoed --cpu-moe-draft=LLAMA_ARG_SPEC_DRAFT_CPU_MOE',
    '--spec-draft-n-cpu-moe --spec-draft-ncmoe -ncmoed --n-cpu-moe-draft:1=LLAMA_ARG_SPEC_DRAFT_N_CPU_MOE',
    '--spec-draft-n-max:1=LLAMA_ARG_SPEC_DRAFT_N_MAX',
    '--spec-draft-n-min:1=LLAMA_ARG_SPEC_DRAFT_N_MIN',
    '--spec-draft-p-split --draft-p-split:1=LLAMA_ARG_SPEC_DRAFT_P_SPLIT',
    '--spec-draft-p-min --draft-p-min:1=LLAMA_ARG_SPEC_DRAFT_P_MIN',
    '--spec-draft-backend-sampling --no-spec-draft-backend-sampling=LLAMA_ARG_SPEC_DRAFT_BACKEND_SAMPLING',
    '--spec-draft-device -devd --device-draft:1',
    '--spec-draft-ngl -ngld --gpu-layers-draft --n-gpu-layers-draft:1=LLAMA_ARG_N_GPU_LAYERS_DRAFT',
    '--spec-ngram-mod-n-min:1',
    '--spec-ngram-mod-n-max:1',
    '--spec-ngram-mod-n-match:1',
    '--spec-ngram-simple-size-n:1',
    '--spec-ngram-simple-size-m:1',
    '--spec-ngram-simple-min-hits:1',
    '--spec-ngram-map-k-size-n:1',
    '--spec-ngram-map-k-size-m:1',
    '--spec-ngram-map-k-min-hits:1',
    '--spec-ngram-map-k4v-size-n:1',
    '--spec-ngram-map-k4v-size-m:1',
    '--spec-ngram-map-k4v-min-hits:1',
    '--spec-ngram-size-n:1',
    '--spec-ngram-size-m:1',
    '--spec-ngram-min-hits:1',
    '--draft --draft-n --draft-max:1=LLAMA_ARG_DRAFT_MAX',
    '--draft-min --draft-n-min:1=LLAMA_ARG_DRAFT_MIN',
    '-lcs --lookup-cache-static:1',
    '-lcd --lookup-cache-dynamic:1',
  ),
  ...refused(
    'it accepts drafts by chance, which changes the text',
    '--spec-synth-len:1=LLAMA_ARG_SPEC_SYNTH_LEN',
    '--spec-synth-rates:1=LLAMA_ARG_SPEC_SYNTH_RATES',
  ),
]

/** Of tools that take messages. */
export const MESSAGES: readonly ForeignFlag[] = [
  ...refusedBut(
    ['-1'],
    'cria does not count thoughts; --reasoning off leaves them out, where the template has a switch for it',
    '--reasoning-budget:1=LLAMA_ARG_THINK_BUDGET',
  ),
  ...neutral(
    'it counts with --reasoning-budget alone, which cria does not have',
    '--reasoning-budget-message:1=LLAMA_ARG_THINK_BUDGET_MESSAGE',
  ),
  ...refusedBut(
    ['--jinja', 'on', 'enabled', 'true', '1'],
    'cria renders every template by Jinja',
    '--jinja --no-jinja=LLAMA_ARG_JINJA',
  ),
]

/** Of tools that see pictures or hear. */
export const MEDIA: readonly ForeignFlag[] = [
  ...refused(
    'cria reads text alone',
    '-mm --mmproj:1=LLAMA_ARG_MMPROJ',
    '-mmu --mmproj-url:1=LLAMA_ARG_MMPROJ_URL',
    '--image --audio --video:1',
    '--media-path:1',
  ),
  ...neutral(
    'they are for pictures, and cria reads text alone',
    '--mmproj-auto --no-mmproj --no-mmproj-auto=LLAMA_ARG_MMPROJ_AUTO',
    '--mmproj-offload --no-mmproj-offload=LLAMA_ARG_MMPROJ_OFFLOAD',
    '-mmdev --mmproj-device:1=MTMD_BACKEND_DEVICE',
    '--image-min-tokens:1=LLAMA_ARG_IMAGE_MIN_TOKENS',
    '--image-max-tokens:1=LLAMA_ARG_IMAGE_MAX_TOKENS',
    '--mtmd-batch-max-tokens:1=LLAMA_ARG_MTMD_BATCH_MAX_TOKENS',
    '--video-fps:1=LLAMA_ARG_VIDEO_FPS',
    '--video-timestamp-interval:1=LLAMA_ARG_VIDEO_TIMESTAMP_INTERVAL',
    '--video-ffmpeg-dir:1=LLAMA_ARG_VIDEO_FFMPEG_DIR',
  ),
]

/** Models of llama.cpp's authors by a flag each. */
export const PRESETS: readonly ForeignFlag[] = refused(
  'name the model by -hf',
  '--embd-gemma-default',
  '--fim-qwen-1.5b-default',
  '--fim-qwen-3b-default',
  '--fim-qwen-7b-default',
  '--fim-qwen-7b-spec',
  '--fim-qwen-14b-spec',
  '--fim-qwen-30b-default',
  '--gpt-oss-20b-default',
  '--gpt-oss-120b-default',
  '--vision-gemma-4b-default',
  '--vision-gemma-12b-default',
)

/** Of llama-completion and llama-cli. */
export const TERMINAL: readonly ForeignFlag[] = [
  ...ENGINE,
  ...SAMPLERS,
  ...SPECULATION,
  ...MESSAGES,
  ...MEDIA,
  ...PRESETS,
  ...neutral('one terminal is one sequence', '-np --parallel:1=LLAMA_ARG_N_PARALLEL'),
  ...neutral(
    'the KV cache is one, in pages that all texts share',
    '-ctxcp --ctx-checkpoints --swa-checkpoints:1=LLAMA_ARG_CTX_CHECKPOINTS',
    '-cram --cache-ram:1=LLAMA_ARG_CACHE_RAM',
  ),
  ...neutral('counts and speeds are there with -v', '--verbose-prompt'),
  ...neutral('cria writes text as it is', '--simple-io'),
  ...neutral(
    'cria parses nothing out of answers',
    '--skip-chat-parsing --no-skip-chat-parsing=LLAMA_ARG_SKIP_CHAT_PARSING',
  ),
  ...refused('the text goes to stdout: redirect it', '-o --output --output-file:1'),
  ...refused('cria keeps no prompts', '--log-prompts-dir:1'),
  ...refused('cria serves and generates in processes of their own', '--server-base:1'),
]

/** Flags of other commands of cria's, which llama.cpp's tools share: neutral where nothing comes of them. */
export function idle(reason: string, ...tables: Flags[]): ForeignFlag[] {
  return tables.flatMap((flags) =>
    Object.values(flags).map(({ names, negated = [], takes, env }) => ({
      names: [...names, ...negated],
      values: takes === undefined ? 0 : 1,
      ...(env !== undefined && { env }),
      reason,
      refused: false,
    })),
  )
}

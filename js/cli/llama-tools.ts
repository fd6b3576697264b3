/** The flags of llama.cpp's other tools that cria's commands know by name alone. */
import { type ForeignFlag, neutral, refused, refusedBut } from './foreign.ts'
import { GRAMMAR_FLAGS } from './grammar.ts'
import { ENGINE, idle, SAMPLERS } from './llama-flags.ts'
import { GENERATE_FLAGS, LOAD_FLAGS, SAMPLING_FLAGS } from './options.ts'
import { ROPE_FLAGS } from './rope.ts'

const { predict, keep, contextShift, ignoreEos } = GENERATE_FLAGS

/** What llama.cpp's tools share, where nothing is generated. */
const NOT_GENERATING: readonly ForeignFlag[] = [
  ...ENGINE,
  ...idle('nothing is generated here', { predict, keep, contextShift, ignoreEos }, SAMPLING_FLAGS, GRAMMAR_FLAGS),
  ...SAMPLERS.map((flag) => ({ ...flag, refused: false, reason: 'nothing is generated here' })),
  ...neutral('sequences are computed one by one', '-np --parallel:1=LLAMA_ARG_N_PARALLEL'),
]

export const PERPLEXITY_FOREIGN: readonly ForeignFlag[] = [
  ...NOT_GENERATING,
  ...refused('cria measures perplexity and divergence alone', '--hellaswag', '--winogrande', '--multiple-choice'),
  ...neutral(
    'they count with tasks that cria does not have',
    '--hellaswag-tasks:1',
    '--winogrande-tasks:1',
    '--multiple-choice-tasks:1',
  ),
]

export const IMATRIX_FOREIGN: readonly ForeignFlag[] = [
  ...NOT_GENERATING,
  ...refused('cria imatrix measures one text: join the texts before', '--in-file:1'),
  ...neutral('the file is written once, at the end', '-ofreq --output-frequency:1'),
  ...refusedBut(['0'], 'the file is written once, at the end', '--save-frequency:1'),
  ...refused('cria imatrix measures; quantize reads what it has measured', '--show-statistics'),
  ...neutral('cria perplexity measures it', '--ppl --no-ppl'),
]

export const TOKENIZE_FOREIGN: readonly ForeignFlag[] = [
  ...NOT_GENERATING,
  ...idle('nothing is computed here', LOAD_FLAGS, ROPE_FLAGS),
]

export const BENCH_FOREIGN: readonly ForeignFlag[] = [
  ...ENGINE,
  ...refusedBut(['0'], 'cria bench measures prefill and generation', '-embd --embeddings:1'),
  ...neutral('tests follow one another', '--delay:1'),
  ...neutral('-v says which test is under way', '--progress'),
  ...refusedBut(['none'], 'results go to stdout alone', '-oe --output-err:1'),
  // Switches of the other tools, which take lists of values here.
  ...neutral(
    'cria has one way to compute',
    '-fa --flash-attn:1',
    '-nkvo --no-kv-offload:1',
    '-nopo --no-op-offload:1',
    '--no-host:1',
    '--repack:1',
    '-mmp --mmap:1',
  ),
]

export const QUANTIZE_FOREIGN: readonly ForeignFlag[] = [
  ...neutral('cria quantize holds a window of rows', '--max-buffer-size:1'),
  ...refused('cria quantize keeps all layers', '--prune-layers:1'),
  ...refused(
    'cria quantize weighs all tensors that the importance matrix has',
    '--include-weights:1',
    '--exclude-weights:1',
  ),
  ...refused('cria quantize has no trial', '--dry-run'),
]

export const GGUF_FOREIGN: readonly ForeignFlag[] = refused(
  'cria never removes what it reads: remove the shards when the file is there',
  '--delete-splits',
)

/** Of convert_hf_to_gguf.py. */
export const CONVERT_FOREIGN: readonly ForeignFlag[] = [
  ...neutral('cria convert streams', '--use-temp-file', '--no-lazy'),
  ...refused('cria gguf split cuts a file', '--split-max-tensors:1', '--split-max-size:1', '--no-tensor-first-split'),
  ...refused('cria convert has no trial', '--dry-run'),
  ...refused(
    'cria convert writes whole models',
    '--vocab-only',
    '--mmproj',
    '--mtp',
    '--dspark',
    '--target-model-dir:1',
  ),
  ...refused('cria reads and writes little-endian files', '--bigendian'),
  ...refused('download the folder first', '--remote'),
  ...refused('--name, --license and --source-url say it', '--metadata:1'),
  ...refused('docs/TOOLS.md lists them', '--print-supported-models'),
  ...refused(
    'cria convert reads folders as transformers has them',
    '--mistral-format',
    '--disable-mistral-community-chat-template',
  ),
  ...refused('cria has no dense modules behind a model', '--sentence-transformers-dense-modules'),
  ...refused('cria convert keeps tensors as the folder has them', '--fuse-gate-up-exps', '--fuse-qkv', '--fp8-as-q8'),
  ...refused('cria convert keeps the layers that predict further tokens as llama.cpp does', '--no-nextn --no-mtp'),
]

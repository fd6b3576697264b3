/** The flags of llama-server that cria serve knows by name alone. */
import { type ForeignFlag, neutral, refused, refusedBut } from './foreign.ts'
import { ENGINE, MEDIA, MESSAGES, PRESETS, SAMPLERS, SPECULATION } from './llama-flags.ts'

export const SERVER_FOREIGN: readonly ForeignFlag[] = [
  ...ENGINE.filter(({ names }) => !names.includes('--kv-unified')),
  ...SAMPLERS,
  ...refused(
    'a request says what its answer has to be: grammar, json_schema or response_format',
    '--grammar:1',
    '--grammar-file:1',
    '-j --json-schema:1',
    '-jf --json-schema-file:1',
  ),
  ...SPECULATION,
  ...MESSAGES,
  ...MEDIA,
  ...PRESETS,
  ...neutral(
    'the KV cache is one, in pages that all requests share and that keep what was computed',
    '-ctxcp --ctx-checkpoints --swa-checkpoints:1=LLAMA_ARG_CTX_CHECKPOINTS',
    '-cms --checkpoint-min-step:1=LLAMA_ARG_CHECKPOINT_MIN_SPACING_NT',
    '-cram --cache-ram:1=LLAMA_ARG_CACHE_RAM',
    '--cache-idle-slots --no-cache-idle-slots=LLAMA_ARG_CACHE_IDLE_SLOTS',
    '--cache-prompt --no-cache-prompt=LLAMA_ARG_CACHE_PROMPT',
    '--cache-reuse:1=LLAMA_ARG_CACHE_REUSE',
    '-sps --slot-prompt-similarity:1',
    '-cb --cont-batching -nocb --no-cont-batching=LLAMA_ARG_CONT_BATCHING',
  ),
  ...neutral('requests are answered by one thread', '--threads-http:1=LLAMA_ARG_THREADS_HTTP'),
  ...neutral('these endpoints are always there', '--embedding --embeddings=LLAMA_ARG_EMBEDDINGS'),
  ...neutral(
    'the page of cria serve keeps its settings in the browser',
    '--ui-config --webui-config:1=LLAMA_ARG_UI_CONFIG',
    '--ui-config-file --webui-config-file:1=LLAMA_ARG_UI_CONFIG_FILE',
    '--no-ui-mcp-proxy --no-webui-mcp-proxy',
  ),
  ...refused(
    'the page of cria serve has no tools of servers',
    '--ui-mcp-proxy --webui-mcp-proxy=LLAMA_ARG_UI_MCP_PROXY',
  ),
  ...refused('cria serve has no files to serve: put it behind a web server', '--path:1=LLAMA_ARG_STATIC_PATH'),
  ...refused(
    'cria serve speaks HTTP: put it behind a server that has TLS',
    '--ssl-key-file:1=LLAMA_ARG_SSL_KEY_FILE',
    '--ssl-cert-file:1=LLAMA_ARG_SSL_CERT_FILE',
  ),
  ...refused('cria serve listens alone on its port', '--reuse-port=LLAMA_ARG_REUSE_PORT'),
  ...refusedBut(
    ['GET, POST, DELETE, OPTIONS'],
    'pages may use all methods that there are',
    '--cors-methods:1=LLAMA_ARG_CORS_METHODS',
  ),
  ...refusedBut(['*'], 'pages may send all headers', '--cors-headers:1=LLAMA_ARG_CORS_HEADERS'),
  ...refusedBut(
    ['--no-cors-credentials', 'false', '0', 'off', 'disabled'],
    'keys go in a header, not in cookies',
    '--cors-credentials --no-cors-credentials=LLAMA_ARG_CORS_CREDENTIALS',
  ),
  ...refused(
    'cria serve runs no tools',
    '--tools:1=LLAMA_ARG_TOOLS',
    '--tools-runtime:1=LLAMA_ARG_TOOLS_RUNTIME',
    '--mcp-servers-config:1=LLAMA_ARG_MCP_SERVERS_CONFIG',
    '--mcp-servers-json:1=LLAMA_ARG_MCP_SERVERS_JSON',
    '-ag --agent=LLAMA_ARG_AGENT',
  ),
  ...neutral('cria serve runs no tools', '-no-ag --no-agent'),
  ...refused('cria has no rerankers', '--rerank --reranking=LLAMA_ARG_RERANKING'),
  ...refused(
    'cria serve serves the one model of -m; cria/server serves several',
    '--models-dir:1=LLAMA_ARG_MODELS_DIR',
    '--models-preset:1=LLAMA_ARG_MODELS_PRESET',
  ),
  ...neutral(
    'they are for several models, and cria serve has one',
    '--models-max:1=LLAMA_ARG_MODELS_MAX',
    '--models-autoload --no-models-autoload=LLAMA_ARG_MODELS_AUTOLOAD',
  ),
  ...refused('properties are what the flags say', '--props=LLAMA_ARG_ENDPOINT_PROPS'),
  ...refused(
    'cria runs a model as its file has it: merge the adapter first, with llama-export-lora',
    '--lora-init-without-apply',
  ),
  ...refusedBut(['-1'], 'cria serve keeps the model', '--sleep-idle-seconds:1'),
  ...refused('a request has the whole context that -c sets', '--kv-unified-per-slot:1=LLAMA_ARG_KV_UNIFIED_PER_SLOT'),
  ...refused('cria keeps no prompts', '--log-prompts-dir:1'),
  ...neutral(
    'cria parses nothing out of answers',
    '--skip-chat-parsing --no-skip-chat-parsing=LLAMA_ARG_SKIP_CHAT_PARSING',
  ),
  ...refused('cria writes fill-in-the-middle prompts prefix first', '--spm-infill'),
]

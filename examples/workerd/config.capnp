# workerd serve config.capnp, after `npm run build`. Modules go by the names that worker.js imports them by.
using Workerd = import "/workerd/workerd.capnp";

const config :Workerd.Config = (
  services = [(name = "main", worker = .cria)],
  sockets = [(name = "http", address = "127.0.0.1:8080", http = (), service = "main")],
);

const cria :Workerd.Worker = (
  modules = [
    (name = "worker.js", esModule = embed "build/worker.js"),
    (name = "cria/relaxed.wasm", wasm = embed "node_modules/cria/dist/relaxed.wasm"),
  ],
  # Or text = "https://…/model.gguf" as MODEL_URL, which is fetched in ranges.
  bindings = [(name = "MODEL", data = embed "node_modules/cria/models/stories260K.gguf")],
  compatibilityDate = "2026-01-01",
);

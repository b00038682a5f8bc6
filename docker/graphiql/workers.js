// Monaco's workers, from files beside this one.
const FILES = { json: "json.worker.js", graphql: "graphql.worker.js" };

globalThis.MonacoEnvironment = {
  getWorker: (_id, label) => new Worker(new URL(FILES[label] ?? "editor.worker.js", new URL("/static/graphiql/", location.href))),
};

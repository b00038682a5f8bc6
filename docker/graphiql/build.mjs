// Bundles GraphiQL with its workers, styles, fonts and licences into api/static/graphiql. Run: npm ci && npm run build
import { build } from "esbuild";
import { mkdirSync, readdirSync, readFileSync, rmSync, existsSync, writeFileSync } from "node:fs";
import { join, resolve } from "node:path";

const OUT = process.argv[2] ?? "../../api/static/graphiql";
rmSync(OUT, { recursive: true, force: true });
mkdirSync(OUT, { recursive: true });

// Features of the editor that GraphiQL has no use for; without them the bundle is half a megabyte smaller.
const UNUSED = new RegExp("(diffEditor|codelens|color|copyPaste|dropIntoEditor|inlineCompletions|InlineCompletions|inlineEdits?|inlayHints"
  + "|linkedEditing|sectionHeaders|SemanticTokens|stickyScroll|unicodeHighlighter|rename|inspectTokens)[^/]*\\.js$|/diffEditorBreadcrumbs/");

const leaner = {
  name: "leaner",
  setup({ onLoad, onResolve }) {
    onResolve({ filter: /^\.\/(browser|contrib|standalone)\// }, ({ path, importer }) =>
      /(editor\.all|edcore\.main)\.js$/.test(importer) && UNUSED.test(path) ? { path, namespace: "unused" } : undefined);
    onLoad({ filter: /.*/, namespace: "unused" }, () => ({ contents: "" }));
    onResolve({ filter: /^prettier\// }, ({ path, importer }) => {
      if (importer.endsWith("jsonc.js")) return { path: resolve("json-format.js") };
      if (path === "prettier/parser-graphql") return { path: resolve("node_modules/prettier/plugins/graphql.mjs") };
      return undefined;
    });
  },
};

const shared = {
  bundle: true, minify: true, target: "es2022", legalComments: "none", metafile: true, plugins: [leaner], logLevel: "warning",
  define: { "process.env.NODE_ENV": '"production"' },
  loader: { ".ttf": "file", ".woff2": "file", ".woff": "file", ".svg": "dataurl" },
  assetNames: "[name]",
};
const results = [
  await build({ ...shared, entryPoints: { graphiql: "main.js" }, format: "esm", outdir: OUT }),
  await build({
    ...shared, format: "iife", outdir: OUT,
    entryPoints: {
      "editor.worker": "monaco-editor/esm/vs/editor/editor.worker.js",
      "json.worker": "monaco-editor/esm/vs/language/json/json.worker.js",
      "graphql.worker": "monaco-graphql/esm/graphql.worker.js",
    },
  }),
];

// The licences of exactly the packages that went in.
const packages = new Set();
for (const { metafile } of results) {
  for (const input of Object.keys(metafile.inputs)) {
    const found = input.match(/.*node_modules\/((?:@[^/]+\/)?[^/]+)/);
    if (found) packages.add(found[0].slice(found[0].indexOf("node_modules")));
  }
}
const texts = [...packages].sort().map((folder) => {
  const { name, version, license } = JSON.parse(readFileSync(join(folder, "package.json"), "utf8"));
  const file = readdirSync(folder).find((entry) => /^licen[cs]e/i.test(entry));
  const notices = readdirSync(folder).filter((entry) => /^(notice|thirdpartynotices)/i.test(entry));
  const parts = [file, ...notices].filter(Boolean).map((entry) => readFileSync(join(folder, entry), "utf8").trim());
  return `${name} ${version} (${license})\n\n${parts.join("\n\n") || "No licence file in the package."}\n`;
});
writeFileSync(join(OUT, "LICENSES.txt"), texts.join(`\n${"-".repeat(80)}\n\n`));
if (!existsSync(join(OUT, "graphiql.js"))) process.exit(1);

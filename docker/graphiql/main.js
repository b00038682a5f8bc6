// The GraphiQL page: an API key field above GraphiQL; queries over HTTP, subscriptions over graphql-transport-ws.
import "./workers.js";
import { createGraphiQLFetcher } from "@graphiql/toolkit";
import { GraphiQL } from "graphiql";
import "@graphiql/react/style.css";
import "@graphiql/plugin-doc-explorer/style.css";
import "@graphiql/plugin-history/style.css";
import "graphiql/graphiql.css";
import { createElement as h, useMemo, useState } from "react";
import { createRoot } from "react-dom/client";
import "./page.css";

const KEY = "cairn.api-key"; // in the tab's session only
const WELCOME = `# Cairn. Paste an API key above, then run this.
query Me {
  me {
    id
    tenant
    roles
  }
}
`;

function Page() {
  const [key, setKey] = useState(sessionStorage.getItem(KEY) ?? "");
  const [typed, setTyped] = useState(key);
  const fetcher = useMemo(() => {
    const headers = key ? { Authorization: `Bearer ${key}` } : {};
    const url = new URL("/graphql", location.href);
    const subscriptionUrl = url.href.replace(/^http/, "ws");
    return createGraphiQLFetcher({ url: url.href, subscriptionUrl, headers, wsConnectionParams: headers, enableIncrementalDelivery: false });
  }, [key]);
  const use = (event) => {
    event.preventDefault();
    sessionStorage.setItem(KEY, typed.trim());
    setKey(typed.trim());
  };
  return h("div", { className: "cairn" },
    h("form", { className: "cairn-key", onSubmit: use },
      h("strong", null, "Cairn"),
      h("label", { htmlFor: "api-key" }, "API key"),
      h("input", { id: "api-key", type: "password", autoComplete: "off", spellCheck: false, value: typed, onChange: (event) => setTyped(event.target.value) }),
      h("button", { type: "submit" }, "Use"),
      h("span", { role: "status" }, key ? "The key is used until this tab is closed." : "Without a key nothing is answered.")),
    h("div", { className: "cairn-graphiql" },
      h(GraphiQL, { key, fetcher, defaultQuery: WELCOME, shouldPersistHeaders: false, showPersistHeadersSettings: false, defaultEditorToolsVisibility: false })));
}

createRoot(document.getElementById("graphiql")).render(h(Page));

// Stands in for prettier's JSON formatter in GraphiQL, which would bring 500 kB along: the parser that is there anyway formats too.
import { applyEdits, format as edits } from "jsonc-parser";

export const format = (content) => applyEdits(content, edits(content, undefined, { tabSize: 2, insertSpaces: true }));
export const printers = {};
export const parsers = {};

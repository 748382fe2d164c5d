import assert from "node:assert/strict";
import { readdirSync, readFileSync } from "node:fs";
import { test } from "node:test";

import view from "../../nbstream/front/view.js";

const FRONT = new URL("../../nbstream/front/", import.meta.url);
const ENTRIES = ["commands.js", "view.js", "inspector.js", "status.js", "capture.js", "sharepage.js"];
const modules = readdirSync(FRONT).filter((name) => name.endsWith(".js"));
const textOf = (name) => readFileSync(new URL(name, FRONT), "utf8");

test("a widget begins with its model and is drawn as often as it is shown", () => {
  const { initialize, render } = view();

  assert.deepEqual(["function", "function"], [typeof initialize, typeof render]);
});

test("names are unique over all modules, for they are joined to one", () => {
  const names = modules.flatMap((name) =>
    [...textOf(name).matchAll(/^(?:export )?(?:async )?(?:function|const|let|class) (\w+)/gm)]
      .map(([, found]) => found));

  assert.ok(names.length > 50);
  assert.deepEqual([], names.filter((name, i) => names.indexOf(name) !== i));
});

test("imports and exports have the forms that can be joined", () => {
  for (const name of modules) {
    for (const [line] of textOf(name).matchAll(/^(?:import|export)\b.*$/gm)) {
      const one = /^import \{[^}]*\} from "\.\/[\w-]+\.js";$|^import \{$/.test(line);
      const other = /^export (?:async )?(?:function|const|class) /.test(line);
      assert.ok(one || other || (ENTRIES.includes(name) && /^export default /.test(line)), `${name}: ${line}`);
    }
  }
});

test("no text becomes markup", () => {
  for (const name of modules) {
    assert.doesNotMatch(textOf(name), /innerHTML|outerHTML|insertAdjacentHTML|document\.write/, name);
  }
});

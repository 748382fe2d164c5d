// The way of a message to the kernel: which routes there are, and that none is lost or doubled.

import test from "node:test";
import assert from "node:assert/strict";

import { controlSender, tellKernel } from "../../nbstream/front/control.js";
import { Detour } from "../../nbstream/front/detour.js";
import { Outbox } from "../../nbstream/front/outbox.js";
import { notebookLine, notTried, routesTo } from "../../nbstream/front/routes.js";

test("a page on this machine comes directly; any other by Jupyter; the widget is the last", () => {
  const here = { hostname: "localhost", protocol: "http:", host: "localhost:8888" };
  const hub = { hostname: "hub.example.org", protocol: "https:", host: "hub.example.org" };
  assert.deepEqual(routesTo(here, "/", 5000, true), [
    { name: "direct", url: "ws://127.0.0.1:5000/" },
    { name: "proxy", url: "ws://localhost:8888/proxy/5000/" },
    { name: "control", url: "" },
    { name: "comm", url: "" },
  ]);
  assert.deepEqual(routesTo(hub, "/user/ann", 5000, true), [
    { name: "proxy", url: "wss://hub.example.org/user/ann/proxy/5000/" },
    { name: "control", url: "" },
    { name: "comm", url: "" },
  ]);
  assert.deepEqual(routesTo(hub, null, 5000, false).map(({ name }) => name), ["comm"]);
  assert.deepEqual(notTried(here, "/", true), []);
  assert.deepEqual(notTried(hub, null, false).map(({ route }) => route), ["direct", "proxy", "control"]);
  assert.match(notTried(hub, "/", true)[0].why, /hub\.example\.org/);
});

/** An outbox with `n` messages, and the numbers that have arrived. */
function outboxOf(n) {
  const outbox = new Outbox();
  const arrived = [];
  for (let i = 0; i < n; i++) outbox.add({ what: i }, i * 10, () => arrived.push(i));
  return { outbox, arrived };
}

test("a message is kept until the kernel has it", () => {
  const { outbox, arrived } = outboxOf(3);
  assert.deepEqual(outbox.again(100).map(({ n, what }) => [n, what]), [[0, 0], [1, 1], [2, 2]]);
  outbox.acknowledge(2);
  outbox.acknowledge(1); // said late
  assert.deepEqual(arrived, [0, 1]);
  assert.equal(outbox.first, 2);
  assert.deepEqual(outbox.again(100).map(({ n }) => n), [2]);
  assert.equal(outbox.add({}, 100, () => {}).n, 3);
});

test("how long the oldest waits is counted from its last line", () => {
  const { outbox } = outboxOf(2);
  assert.equal(outbox.waits_ms(1000), 1000);
  outbox.again(900);
  assert.equal(outbox.waits_ms(1000), 100);
  outbox.acknowledge(2);
  assert.equal(outbox.waits_ms(1000), 0);
});

test("what arrives may send more at once", () => {
  const { outbox } = outboxOf(0);
  outbox.add({}, 0, () => outbox.add({}, 0, () => {}));
  outbox.acknowledge(1);
  assert.deepEqual([outbox.first, outbox.next], [1, 2]);
});

/** Models of which all is noted: what went by their comms, by the detour, and what was answered. */
function modelsOnDetour() {
  const noted = [];
  const waiting = [];
  const detour = new Detour(({ model_id, data }, arrived) => {
    noted.push(["detour", model_id, data]);
    waiting.push(arrived);
  });
  const modelOf = (id) => {
    const send = (data, callbacks) => {
      if (data === "refused") throw new Error("the kernel is gone");
      noted.push(["comm", id, data]);
      waiting.push(() => {
        callbacks.iopub.status({ content: { execution_state: "busy" } });
        callbacks.iopub.status({ content: { execution_state: "idle" } });
      });
    };
    const target = { comm: { send }, _expectedEchoMsgIds: new Map() };
    detour.lead(id, target);
    return (data, callbacks, buffers) => target.comm.send(data, callbacks, {}, buffers);
  };
  return { noted, detour, modelOf, answer: () => waiting.shift()() };
}

test("what was told by a comm is not overtaken by what is told past it", () => {
  const { noted, detour, modelOf, answer } = modelsOnDetour();
  const [choose, press] = [modelOf("choice"), modelOf("button")];
  choose("microphone");
  detour.isOpen = true;
  press("record");
  answer();
  press("mark");
  answer();
  answer();
  press("stop");
  const ways = ["comm choice", "comm button", "comm button", "detour button"];
  assert.deepEqual(noted.map(([way, id]) => `${way} ${id}`), ways);
  press("bytes", undefined, [new Uint8Array(1)]);
  press("x".repeat(300_000));
  assert.deepEqual(noted.slice(4).map(([way]) => way), ["comm", "comm"]);
});

test("nobody waits for the answer to what a comm did not take", () => {
  const { noted, detour, modelOf } = modelsOnDetour();
  const tell = modelOf("button");
  assert.throws(() => tell("refused"), /gone/);
  detour.isOpen = true;
  tell("stop");
  assert.deepEqual(noted, [["detour", "button", "stop"]]);
});

test("a model hears of each of its messages that it has arrived, whichever way it took", () => {
  const { detour, modelOf, answer } = modelsOnDetour();
  const tell = modelOf("choice");
  const heard = [];
  const callbacks = { iopub: { status: ({ content }) => heard.push(content.execution_state) } };
  tell("a", callbacks);
  answer();
  assert.deepEqual(heard, ["busy", "idle"]);
  detour.isOpen = true;
  tell("b", callbacks);
  assert.equal(heard.length, 2);
  answer();
  assert.deepEqual(heard, ["busy", "idle", "idle"]);
});

/** A model as a page has it, with what it was told; `hear` answers it. */
function modelOf(control) {
  const told = [];
  const controls = [];
  const listeners = new Set();
  return {
    told, controls, listeners,
    get: () => control,
    send: (content, _, buffers) => told.push([content, buffers]),
    on: (_, listener) => listeners.add(listener),
    off: (_, listener) => listeners.delete(listener),
    hear: (message) => listeners.forEach((listener) => listener(message)),
    widget_manager: { kernel: { clientId: "c", sendControlMessage: (message) => controls.push(message) } },
  };
}

test("the control channel is taken where the kernel has it, else the widget", () => {
  const model = modelOf("name");
  tellKernel(model, { kind: "ask" });
  const [{ channel, content, header }] = model.controls;
  assert.deepEqual([channel, header.msg_type, content], ["control", "nbstream", { to: "name", content: { kind: "ask" } }]);
  const poor = modelOf("");
  assert.equal(controlSender(poor), null);
  tellKernel(poor, { kind: "ask" });
  assert.deepEqual(poor.told, [[{ kind: "ask" }, undefined]]);
});

test("frames go together, before what is said after them, and as long as there is room", (t) => {
  t.mock.timers.enable({ apis: ["setTimeout"] });
  const sent = [];
  const model = modelOf("");
  const line = notebookLine((content, buffers) => sent.push([content, buffers]), model, "p", { kind: "hello" }, () => {}, () => {}, 9999);
  assert.equal(JSON.parse(sent[0][0].text).kind, "hello");
  const number = sent[0][0].line;
  model.hear({ kind: "line", to: "p", line: number, text: '{"kind": "go"}' });
  for (let i = 0; i < 4; i++) line.frames([Uint8Array.of(i)]);
  assert.equal(sent.length, 1);
  t.mock.timers.tick(200);
  assert.deepEqual(sent[1][1].map((buffer) => [...new Uint8Array(buffer)]), [[0], [1], [2], [3]]);
  assert.equal(line.room(), 96);
  line.frames([Uint8Array.of(4)]);
  line.say({ kind: "end" });
  assert.deepEqual(sent.slice(2).map(([content]) => JSON.parse(content.text ?? "0").kind), [undefined, "end"]);
  line.close();
});

test("an answer to a hello that was given up is not heard", (t) => {
  t.mock.timers.enable({ apis: ["setTimeout"] });
  const model = modelOf("");
  const sent = [];
  const heard = [];
  const closed = [];
  const open = () => notebookLine((content) => sent.push(content), model, "p", { kind: "hello" }, (it) => heard.push(it.kind), (isRefused) => closed.push(isRefused), 4000);
  open();
  t.mock.timers.tick(4000);
  assert.deepEqual(closed, [false]);
  open();
  const [old, now] = sent.map(({ line }) => line);
  model.hear({ kind: "line", to: "p", line: old, text: '{"kind": "go"}' });
  model.hear({ kind: "closed", to: "p", line: old, code: 4003 });
  assert.deepEqual([heard, closed], [[], [false]]);
  model.hear({ kind: "line", to: "p", line: now, text: '{"kind": "go"}' });
  model.hear({ kind: "closed", to: "p", line: now, code: 4003 });
  assert.deepEqual([heard, closed], [["go"], [false, true]]);
  assert.equal(model.listeners.size, 0);
});

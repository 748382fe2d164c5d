// A whole session with the official SDK against the local server; prints what came as JSON.
// node session.mjs wss://HOST:PORT AUDIO.raw [KEY]   (16 kHz, 16 bit, mono)
import { readFile } from "node:fs/promises";
import { AssemblyAI } from "assemblyai";

const [url, file, apiKey = "any"] = process.argv.slice(2);
const heard = { turns: [], errors: [], closed: false };

const client = new AssemblyAI({ apiKey, streamingBaseUrl: url.replace(/^ws/, "http") });
const session = { sampleRate: 16000, websocketBaseUrl: `${url}/v3/ws`, connectTimeout: 30000 };

try {
  const token = await client.streaming.createTemporaryToken({ expires_in_seconds: 60 });
  heard.token = token.slice(0, 3);

  const transcriber = client.streaming.transcriber({
    ...session,
    token,
    speechModel: "universal-3-6-pro",
    keytermsPrompt: ["barrel", "é"],
  });
  transcriber.on("turn", (turn) => heard.turns.push(turn));
  transcriber.on("error", (error) => heard.errors.push(error.message));
  heard.begin = await transcriber.connect();
  transcriber.updateConfiguration({ max_turn_silence: 1000 });
  transcriber.keepAlive();
  const audio = await readFile(file);
  for (let at = 0; at < audio.length; at += 3200) {
    transcriber.sendAudio(audio.subarray(at, at + 3200));
  }
  await transcriber.close(true, 60000);
  heard.closed = true;
} catch (error) {
  heard.failure = { code: error.code, message: error.message };
}
console.log(JSON.stringify(heard));

// The key itself, on the socket.
try {
  const transcriber = client.streaming.transcriber({ ...session, maxConnectionRetries: 0 });
  await transcriber.connect();
  await transcriber.close(true, 60000);
  console.log(JSON.stringify({ opened: true }));
} catch (error) {
  console.log(JSON.stringify({ code: error.code, message: error.message }));
}

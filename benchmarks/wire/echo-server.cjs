/** The least that a server of the protocol does: answers each request with a fixed response, and each pull when its time is up, as there is nothing. */
const { createServer } = require("node:net");
const { FrameReader } = require("../../dist/cjs/wire/frame-reader.js");
const { encodeCommand, isOneWay, toResponse } = require("../../dist/cjs/wire/remoting-command.js");

const PULL = 11;
const PULL_NOT_FOUND = 19;
const FIELDS = new Map([["offset", "0"]]);

const server = createServer((socket) => {
  socket.setNoDelay(true);
  const answer = (request, code) => socket.write(encodeCommand(toResponse(request, { code, fields: FIELDS })));
  const reader = new FrameReader((request) => {
    if (isOneWay(request)) return;
    if (request.code !== PULL) answer(request, 0);
    else setTimeout(() => answer(request, PULL_NOT_FOUND), Number(request.fields.get("suspendTimeoutMillis")));
  });
  socket.on("data", (chunk) => reader.read(chunk));
  socket.on("error", () => socket.destroy());
});
server.listen(0, "127.0.0.1", () => process.stdout.write(`${server.address().port}\n`));

// `ws`: the broadcast that its documentation shows.
import { WebSocketServer } from "ws";

const server = new WebSocketServer({ host: "127.0.0.1", port: Number(process.argv[2]), perMessageDeflate: false });
const subscribers = new Set();

server.on("listening", () => console.log("listening"));
server.on("connection", (socket, request) => {
  socket.on("error", (error) => console.error(error));
  if (request.url === "/publish") {
    socket.on("message", (data, isBinary) => {
      for (const subscriber of subscribers) subscriber.send(data, { binary: isBinary });
    });
  } else {
    subscribers.add(socket);
    socket.on("close", () => subscribers.delete(socket));
  }
});

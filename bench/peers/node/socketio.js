// Socket.IO: subscribers are in the main namespace, the publisher is in one called /publish.
import { createServer } from "node:http";
import { Server } from "socket.io";

const http = createServer();
const io = new Server(http, {
  transports: ["websocket"],
  perMessageDeflate: false, // so that it frames a packet once for all
  pingInterval: 600_000,
  serveClient: false,
});

io.of("/publish").on("connection", (publisher) => publisher.on("message", (text) => io.emit("message", text)));
http.listen(Number(process.argv[2]), "127.0.0.1", () => console.log("listening"));

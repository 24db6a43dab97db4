// uWebSockets.js: its own publish and subscribe.
import uWS from "uwebsockets";

const NEVER = 0;
const MIB = 1024 * 1024;
const settings = {
  compression: uWS.DISABLED,
  idleTimeout: NEVER, // nor pings, therefore
  maxPayloadLength: MIB,
  maxBackpressure: 256 * MIB, // by default it drops what a subscriber is more than 64 KiB behind with
};

const app = uWS.App();
app.ws("/publish", { ...settings, message: (_, message, isBinary) => app.publish("everything", message, isBinary) });
app.ws("/", { ...settings, open: (subscriber) => subscriber.subscribe("everything") });
app.listen("127.0.0.1", Number(process.argv[2]), (socket) => {
  if (!socket) throw new Error("the port is taken");
  console.log("listening");
});

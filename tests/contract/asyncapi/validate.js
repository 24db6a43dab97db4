// Reads a JSON array of AsyncAPI documents; writes, for each, what the official parser has to say against it.
import { text } from "node:stream/consumers";
import { Parser } from "@asyncapi/parser";

const parser = new Parser();
const verdicts = [];
for (const document of JSON.parse(await text(process.stdin))) {
  const diagnostics = await parser.validate(document);
  verdicts.push(diagnostics.map(({ code, path, message }) => `${code}: ${path.join("/")}: ${message}`));
}
process.stdout.write(JSON.stringify(verdicts));

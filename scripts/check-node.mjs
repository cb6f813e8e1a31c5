// Runs on any Node, before anything that needs the one this project is made for.
const major = Number(process.versions.node.split('.')[0]);
if (major < 26) {
  console.error(`Trainyard runs on Node 26 or newer, and this is ${process.version}.
\`npm ci\` brings it as an optional dependency for Linux (x64, arm64) and macOS; it did not arrive here.
Run \`npm ci\` again without --omit=optional, or install Node 26.`);
  process.exit(1);
}

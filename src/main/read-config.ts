import { type Config, ConfigError, readConfig } from '../config.ts';

/** The oldest Node that runs the engine as it was measured: its V8 fuses pairs of SIMD operations, and strips types. */
const MIN_NODE_MAJOR = 26;

/** Config of this process, or a clear word on stderr and exit status 2. */
export function readConfigOrExit(): Readonly<Config> {
  const major = Number(process.versions.node.split('.')[0]);
  if (major < MIN_NODE_MAJOR) {
    exit(
      `Trainyard runs on Node ${MIN_NODE_MAJOR} or newer; this is ${process.version}. \`npm ci\` brings the right one for every npm script.`,
    );
  }
  try {
    return readConfig();
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error;
    return exit(error.message);
  }
}

export function requireUrl(url: string | undefined): string {
  return url ?? exit('DATABASE_URL is missing. Name a PostgreSQL, or use `npm start`, which brings one of its own.');
}

function exit(message: string): never {
  process.stderr.write(`${message}\n`);
  process.exit(2);
}

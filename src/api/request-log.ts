import type { FastifyBaseLogger } from 'fastify';

type Write = (...said: unknown[]) => void;
type Level = 'trace' | 'debug' | 'info' | 'warn' | 'error' | 'fatal';

/** A logger with a request's id, made when something is first written: looking its fields through for secrets is 7 % of a short answer. */
export class RequestLog {
  readonly #make: () => FastifyBaseLogger;
  #made: FastifyBaseLogger | undefined;

  constructor(make: () => FastifyBaseLogger) {
    this.#make = make;
  }

  trace(...said: unknown[]): void {
    this.#write('trace', said);
  }

  debug(...said: unknown[]): void {
    this.#write('debug', said);
  }

  info(...said: unknown[]): void {
    this.#write('info', said);
  }

  warn(...said: unknown[]): void {
    this.#write('warn', said);
  }

  error(...said: unknown[]): void {
    this.#write('error', said);
  }

  fatal(...said: unknown[]): void {
    this.#write('fatal', said);
  }

  silent(): void {}

  get level(): string {
    return this.#logger.level;
  }

  child(...options: Parameters<FastifyBaseLogger['child']>): FastifyBaseLogger {
    return this.#logger.child(...options);
  }

  get #logger(): FastifyBaseLogger {
    this.#made ??= this.#make();
    return this.#made;
  }

  #write(level: Level, said: unknown[]): void {
    (this.#logger[level] as Write)(...said);
  }
}

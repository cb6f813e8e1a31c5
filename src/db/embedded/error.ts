/** The embedded server cannot be had; the message says why and what to do about it. */
export class EmbeddedPostgresError extends Error {
  /** the last lines that PostgreSQL wrote in this start, where it came that far */
  readonly serverLog: string;
  constructor(message: string, serverLog = '') {
    super(serverLog === '' ? message : `${message}\n${indent(serverLog)}`);
    this.name = 'EmbeddedPostgresError';
    this.serverLog = serverLog;
  }
}

function indent(text: string): string {
  return text.trimEnd().replaceAll(/^/gm, '    ');
}

import { fork } from 'node:child_process';
import { TooLateError } from './too-late-error.ts';

/**
 * What a process of its own answers to `task`, its only message, with its first; it is ended then, and its memory given back for certain.
 * Errors: TooLateError after `timeoutMs`; the signal's reason; whatever ended the process, or kept it from beginning.
 */
export function askProcess<Answer>(
  entry: URL,
  task: object,
  { timeoutMs, signal }: { timeoutMs: number; signal: AbortSignal },
): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const child = fork(entry, { serialization: 'advanced', stdio: ['ignore', 'ignore', 'inherit', 'ipc'] });
    let answer: { value: Answer } | null = null;
    let isLate = false;
    const end = () => void child.kill('SIGKILL');
    const timer = setTimeout(() => {
      isLate = true;
      end();
    }, timeoutMs);
    const leave = () => {
      clearTimeout(timer);
      signal.removeEventListener('abort', end);
    };
    signal.addEventListener('abort', end);
    child.on('message', (value: Answer) => {
      answer = { value };
      end();
    });
    child.on('error', (error) => {
      leave();
      reject(error);
    });
    child.on('exit', (code, killed) => {
      leave();
      if (answer !== null) resolve(answer.value);
      else if (signal.aborted) reject(signal.reason);
      else reject(isLate ? new TooLateError() : new Error(`a process ended without an answer (${killed ?? code})`));
    });
    // one that could not be started says so as an error
    if (child.pid !== undefined) child.send(task, () => {});
    if (signal.aborted) end();
  });
}

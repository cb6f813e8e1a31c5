/**
 * Whether it says that PostgreSQL cannot be used just now: refused, cut, timed out, not found, starting or stopping, out of room or of what else it
 * needs, a file that cannot be written.
 */
export function isUnavailable(error: unknown): boolean {
  for (let cause: unknown = error; cause instanceof Error; cause = cause.cause) {
    const { code } = cause as { code?: string };
    if (
      code !== undefined &&
      (/^(ECONN|EPIPE|ETIMEDOUT|ENOTFOUND|EAI_AGAIN|EHOSTUNREACH|ENETUNREACH|57P|08|53|58030)/.test(code) ||
        code === '57014')
    )
      return true;
    if (
      /connection terminated|timeout exceeded when trying to connect|timeout expired|query read timeout|is not queryable/i.test(
        cause.message,
      )
    )
      return true;
  }
  return false;
}

// @ts-check
// A reporter of node:test that writes the counts of the whole run as one JSON line.

/**
 * @param {AsyncIterable<{ type: string, data: any }>} source
 */
export async function* countReporter(source) {
  for await (const event of source) {
    // Every file has a summary of its own; the one without a file is the sum.
    if (event.type === 'test:summary' && event.data.file === undefined) {
      const { passed, failed, cancelled, skipped, todo } = event.data.counts
      yield `${JSON.stringify({ passed, failed: failed + cancelled, skipped, todo })}\n`
    }
  }
}

// node:test loads a reporter by its default export.
export { countReporter as default }

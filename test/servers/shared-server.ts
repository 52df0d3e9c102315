/** What serve.ts asks of a kind of server that all test files of a run share. */

export interface SharedServer {
  /** What test files find it by. */
  environment: Record<string, string>
  end(): Promise<void>
}

/** This machine does not have the server, and it could not be installed. The message says why and what to do. */
export class ServerUnavailable extends Error {}

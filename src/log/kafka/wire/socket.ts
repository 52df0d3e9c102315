/** Opens the socket of a connection, with TLS or without, and tells why it could not. */
import { connect as connectTcp, isIP, type Socket } from 'node:net'
import { type ConnectionOptions, connect as connectTls } from 'node:tls'
import { AldebaranError, messageOf } from '../../../errors.ts'
import { revealed, type TlsSettings } from './security.ts'

export interface Endpoint {
  readonly host: string
  readonly port: number
}

export interface SocketHandlers {
  /** Once, unless `failed` is called. From then on errors are for listeners of its own. */
  opened(socket: Socket): void
  failed(error: AldebaranError): void
  /** Valid during the call. */
  bytes(bytes: Buffer, count: number): void
}

const READ_BYTES = 256 * 1024

export function openSocket(
  endpoint: Endpoint,
  tls: TlsSettings | null,
  timeoutMs: number,
  handlers: SocketHandlers,
): void {
  let socket: Socket
  try {
    socket = tls === null ? plainSocket(endpoint, handlers) : tlsSocket(endpoint, tls, handlers)
  } catch (error) {
    // Certificate or key cannot be read, or do not belong together.
    handlers.failed(refused(endpoint, error))
    return
  }
  const fail = (error: Error): void => {
    clearTimeout(timer)
    socket.off(ready, open)
    socket.destroy()
    handlers.failed(disconnected(endpoint, error, true))
  }
  const open = (): void => {
    clearTimeout(timer)
    socket.off('error', fail)
    handlers.opened(socket)
  }
  const timer = setTimeout(() => fail(new Error(`no connection within ${timeoutMs} ms`)), timeoutMs)
  const ready = tls === null ? 'connect' : 'secureConnect'
  socket.once('error', fail)
  socket.once(ready, open)
}

function plainSocket({ host, port }: Endpoint, handlers: SocketHandlers): Socket {
  const onread = {
    buffer: Buffer.allocUnsafeSlow(READ_BYTES),
    callback(count: number, bytes: Uint8Array): boolean {
      handlers.bytes(bytes as Buffer, count)
      return true
    },
  }
  return connectTcp({ host, port, onread, noDelay: true, keepAlive: true })
}

function tlsSocket({ host, port }: Endpoint, tls: TlsSettings, handlers: SocketHandlers): Socket {
  const options: ConnectionOptions = {
    host,
    port,
    // A name of the protocol (SNI) is never an address. The certificate is compared with the host all the same.
    servername: tls.serverName ?? (isIP(host) === 0 ? host : ''),
    minVersion: 'TLSv1.2',
    // Whatever NODE_TLS_REJECT_UNAUTHORIZED says.
    rejectUnauthorized: true,
    ...(tls.authorities === null ? {} : { ca: tls.authorities }),
    ...(tls.certificate === null ? {} : { cert: tls.certificate }),
    ...(tls.key === null ? {} : { key: revealed(tls.key) }),
    ...(tls.passphrase === null ? {} : { passphrase: revealed(tls.passphrase) }),
  }
  const socket = connectTls(options)
  socket.setNoDelay(true)
  socket.setKeepAlive(true)
  socket.on('data', (bytes: Buffer) => handlers.bytes(bytes, bytes.length))
  return socket
}

/** @param proving the broker has not answered yet: what TLS complains of may be who one of both is */
export function disconnected(endpoint: Endpoint, cause: Error, proving: boolean): AldebaranError {
  const { code } = cause as NodeJS.ErrnoException
  if (proving && code !== undefined && OF_TLS.test(code)) return refused(endpoint, cause)
  const { host, port } = endpoint
  const text = `broker ${host}:${port}: ${messageOf(cause) || code}`
  return new AldebaranError('KAFKA_UNREACHABLE', text, { host, port }, cause)
}

const OF_TLS =
  /^ERR_TLS_(?!HANDSHAKE_TIMEOUT)|^ERR_SSL_|^ERR_OSSL_|CERT|CRL|SELF_SIGNED|UNABLE_TO_VERIFY|HOSTNAME|INVALID_CA|INVALID_PURPOSE/

function refused({ host, port }: Endpoint, cause: unknown): AldebaranError {
  const text = `broker ${host}:${port}: TLS: ${reasonOf(cause)}`
  return new AldebaranError('KAFKA_AUTHENTICATION', text, { host, port }, cause)
}

/** What OpenSSL calls "error:0A000416:SSL routines:ssl3_read_bytes:ssl/tls alert …:…:SSL alert number 46", without the rest. */
function reasonOf(cause: unknown): string {
  const { reason, code } = cause as { reason?: unknown; code?: unknown }
  const text = typeof reason === 'string' && reason !== '' ? reason : messageOf(cause)
  return typeof code === 'string' ? `${text} (${code})` : text
}

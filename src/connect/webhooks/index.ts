/** What sends webhooks: signatures, and requests to addresses that others have chosen. It is `aldebaran/webhooks`. */
export { type AddressRules, checkAddressRules } from '../http-sender/addresses.ts'
export { HttpSender, type HttpSenderSettings } from '../http-sender/http-sender.ts'
export { deliveryErrorOf } from '../http-sender/outcome.ts'
export type { PostFailure, PostOutcome, PostRequest } from '../http-sender/post.ts'
export { generateWebhookKeyPair, generateWebhookSecret, WebhookSigner, webhookPublicKey } from './signing.ts'

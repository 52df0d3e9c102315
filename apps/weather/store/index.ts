/** What `aldebaran weather export` loads. */
export { time } from '../api/parameters.ts'
export { databaseChunks } from './database-chunks.ts'
export { writeChunks } from './write-chunks.ts'

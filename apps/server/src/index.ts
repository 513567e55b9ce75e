export { describeApi } from "./http/openapi.ts"
export { type RunningServer, type StartFailure, type StartOptions, startServer, systemRandom } from "./start.ts"

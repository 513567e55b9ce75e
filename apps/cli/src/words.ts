/** The 1,024 words that are also read out when devices are compared; here they make passwords. */
export { WORDS } from "@keyferry/sdk/words"

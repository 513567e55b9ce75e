/** The 1,024 words of the comparison, for passwords made of words (`@keyferry/sdk/words`). */
export { WORDS } from "@keyferry/crypto/words"

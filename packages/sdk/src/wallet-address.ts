/** The address that a wallet's private key belongs to, to tell a main account's own key (`@keyferry/sdk/wallet-address`). */
export { walletAddressOf } from "@keyferry/crypto/wallet-address"

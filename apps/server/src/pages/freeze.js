// The token stays behind the "#": it reaches the server only in the body of what a person does here.
const button = document.getElementById("freeze")
const status = document.getElementById("status")

const freeze = async () => {
  button.disabled = true
  const response = await fetch("/api/v1/freeze", {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify({ token: location.hash.slice(1) }),
  }).catch(() => undefined)
  button.disabled = false
  if (response === undefined) {
    status.textContent = "The server could not be reached, and nothing is frozen yet. Try again."
    return
  }
  document.getElementById("ask").hidden = response.ok
  status.textContent = response.ok
    ? "Your account is frozen. When you know more, thaw it on one of your devices: open Keyferry there and press “Thaw it”, or run kf thaw. Then change your password."
    : "This link cannot be used any more. Freeze the account on one of your devices: in Keyferry under Devices, or with kf freeze. Or ask the operator of this server."
  document.getElementById("after").hidden = false
}
button.addEventListener("click", () => void freeze())

const button = document.getElementById("confirm")
const status = document.getElementById("status")

const confirm = async () => {
  button.disabled = true
  const response = await fetch("/api/v1/address/confirm", {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify({ token: location.hash.slice(1) }),
  }).catch(() => undefined)
  if (response === undefined) {
    button.disabled = false
    status.textContent = "The server could not be reached. Try again."
    return
  }
  const answer = await response.json().catch(() => ({}))
  button.hidden = response.ok
  button.disabled = false
  status.textContent = response.ok
    ? `From now on the address of your account is ${answer.address}.`
    : "This link cannot be used. Ask for a new one on your device."
}
button.addEventListener("click", () => void confirm())

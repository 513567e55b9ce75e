export type RecordedCamera = "shows" | "none" | "refused"

/** What the browser answers when a screen wants the camera: a grey wall, or the reason why there is none. */
export const recordCamera = (camera: RecordedCamera): void => {
  const getUserMedia = async (): Promise<MediaStream> => {
    if (camera !== "shows") throw new DOMException("recorded", camera === "none" ? "NotFoundError" : "NotAllowedError")
    const wall = document.createElement("canvas")
    wall.width = 640
    wall.height = 480
    const paint = wall.getContext("2d")
    if (paint !== null) {
      paint.fillStyle = "#777"
      paint.fillRect(0, 0, wall.width, wall.height)
    }
    return wall.captureStream(1)
  }
  Object.defineProperty(navigator.mediaDevices, "getUserMedia", { value: getUserMedia })
}

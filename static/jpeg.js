// Pictures drawn anew as JPEGs, from every format that this browser can decode.

/** As much as the canvas of every browser holds. */
const LONGEST_SIDE = 4096;

/**
 * @param {Blob} picture
 * @param {number} quality
 * @param {ImageBitmapOptions} [options]
 * @returns {Promise<Blob | null>} null: not a picture this browser shows
 */
export async function drawJpeg(picture, quality, options) {
  try {
    const bitmap = await createImageBitmap(picture, options);
    const scale = Math.min(1, LONGEST_SIDE / Math.max(bitmap.width, bitmap.height));
    const canvas = document.createElement("canvas");
    canvas.width = Math.max(1, Math.round(bitmap.width * scale));
    canvas.height = Math.max(1, Math.round(bitmap.height * scale));
    const context = canvas.getContext("2d");
    // As the server has it: transparency over white.
    context.fillStyle = "white";
    context.fillRect(0, 0, canvas.width, canvas.height);
    context.drawImage(bitmap, 0, 0, canvas.width, canvas.height);
    bitmap.close();
    return await new Promise((done) => canvas.toBlob(done, "image/jpeg", quality));
  } catch {
    return null;
  }
}

/**
 * @param {File} photo
 * @returns {Promise<File | null>} the photo under its name as a JPEG; null as above
 */
export async function asJpeg(photo) {
  const jpeg = await drawJpeg(photo, 0.92);
  return jpeg && new File([jpeg], `${photo.name.replace(/\.[^.]*$/, "")}.jpg`, { type: jpeg.type });
}

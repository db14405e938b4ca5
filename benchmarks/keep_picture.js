// Keeps the map's pixels after each frame, so that what was called drawn can be compared with what is there at rest.
const plain = HTMLCanvasElement.prototype.getContext;
HTMLCanvasElement.prototype.getContext = function (kind, options) {
  return plain.call(this, kind, kind.startsWith('webgl') ? { ...options, preserveDrawingBuffer: true } : options);
};
window.pictureOfMap = () => {
  const canvas = document.querySelector('#map canvas');
  const pen = canvas.getContext('webgl2');
  const pixels = new Uint32Array(canvas.width * canvas.height);
  pen.readPixels(0, 0, canvas.width, canvas.height, 6408, 5121, new Uint8Array(pixels.buffer));
  let mixed = 2166136261;
  for (const pixel of pixels) mixed = Math.imul(mixed ^ pixel, 16777619) >>> 0;
  return mixed;
};
window.pictureWhenDrawn = (hour) => new Promise((resolve) => {
  window.bluelamp.setHour(hour);
  const look = () => {
    if (window.bluelamp.drawnHour() === hour) resolve(window.pictureOfMap());
    else requestAnimationFrame(look);
  };
  requestAnimationFrame(look);
});

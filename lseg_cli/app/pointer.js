// Names the label under the pointer, and under a cross that arrow keys move; Enter becomes the event 'point'.
// The value is {height, width, names, map}: positions of labels as base64 of deflated bytes, two for each pixel.
const frame = () => document.getElementById('lseg-result');
const picture = () => frame()?.querySelector('img');
const tip = element.querySelector('.lseg-tip');
const cross = element.querySelector('.lseg-cross');
let map = null;
let facts = null;
let at = [0.5, 0.5];

async function unpack() {
  map = null;
  facts = props.value;
  const box = frame();
  if (box && box.tabIndex < 0) {
    box.tabIndex = 0;
    box.setAttribute('role', 'application');
    box.setAttribute('aria-label', 'Result. Arrow keys move a cross and name its label; Enter lists the best labels there.');
  }
  if (!facts || !facts.map) return;
  const bytes = Uint8Array.from(atob(facts.map), (letter) => letter.charCodeAt(0));
  const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream('deflate'));
  map = new Uint16Array(await new Response(stream).arrayBuffer());
}

function name(right, down) {
  if (!map) return null;
  const column = Math.min(facts.width - 1, Math.max(0, Math.floor(right * facts.width)));
  const row = Math.min(facts.height - 1, Math.max(0, Math.floor(down * facts.height)));
  return facts.names[map[row * facts.width + column]] ?? '(no label)';
}

function show(text, left, top) {
  tip.hidden = text === null;
  if (text === null) return;
  tip.textContent = text;
  tip.style.left = `${Math.min(left + 14, window.innerWidth - tip.offsetWidth - 8)}px`;
  tip.style.top = `${Math.min(top + 14, window.innerHeight - tip.offsetHeight - 8)}px`;
}

// An image that keeps its shape in a box of another one lies in the middle of the box.
function placed(image) {
  const box = image.getBoundingClientRect();
  const scale = Math.min(box.width / (image.naturalWidth || 1), box.height / (image.naturalHeight || 1));
  const width = image.naturalWidth * scale, height = image.naturalHeight * scale;
  return {left: box.left + (box.width - width) / 2, top: box.top + (box.height - height) / 2, width, height};
}

document.addEventListener('mousemove', (event) => {
  const image = picture();
  if (!image || event.target !== image) return show(null);
  cross.hidden = true;
  const box = placed(image);
  at = [(event.clientX - box.left) / box.width, (event.clientY - box.top) / box.height];
  const inside = at.every((part) => part >= 0 && part <= 1);
  show(inside ? name(...at) : null, event.clientX, event.clientY);
});

document.addEventListener('keydown', (event) => {
  const image = picture();
  if (!image || document.activeElement !== frame()) return;
  const step = {ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1]}[event.key];
  if (event.key === 'Enter') trigger('point', {right: at[0], down: at[1]});
  else if (!step) return;
  event.preventDefault();
  if (step) at = at.map((part, axis) => Math.min(0.995, Math.max(0.005, part + 0.02 * step[axis])));
  const box = placed(image), left = box.left + at[0] * box.width, top = box.top + at[1] * box.height;
  cross.hidden = false;
  cross.style.left = `${left}px`;
  cross.style.top = `${top}px`;
  show(name(...at), left, top);
});

document.addEventListener('focusout', () => { cross.hidden = true; show(null); });
watch('value', unpack);
unpack();

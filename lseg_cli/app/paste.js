// A picture that is pasted anywhere on the page goes where one would be dropped; text goes where it always goes.
document.addEventListener('paste', (event) => {
  const picture = [...(event.clipboardData?.files ?? [])].find((file) => file.type.startsWith('image/'));
  const input = document.querySelector('#lseg-inbox input[type=file]');
  if (!picture || !input) return;
  event.preventDefault();
  const given = new DataTransfer();
  given.items.add(picture);
  input.files = given.files;
  input.dispatchEvent(new Event('change', {bubbles: true}));
});

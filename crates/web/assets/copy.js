// Puts a button beside each text that is to be copied. Without it, or without a clipboard, a click selects the whole text.
"use strict";
for (const text of document.querySelectorAll("[data-copy]")) {
  if (!navigator.clipboard) break;
  const button = document.createElement("button");
  button.type = "button";
  button.className = "copy-button";
  const name = text.dataset.copy;
  button.textContent = "Copy";
  button.setAttribute("aria-label", "Copy " + name);
  const said = document.createElement("span");
  said.className = "hidden";
  said.setAttribute("role", "status");
  button.addEventListener("click", async () => {
    let word = "Copied";
    try {
      await navigator.clipboard.writeText(text.textContent);
    } catch {
      word = "Select it, then copy";
      getSelection().selectAllChildren(text);
    }
    button.textContent = word;
    said.textContent = name + ": " + word;
    setTimeout(() => { button.textContent = "Copy"; said.textContent = ""; }, 2000);
  });
  text.after(button, said);
}

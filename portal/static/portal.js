// What pages gain from scripts: copying, themes without a reload, menus that
// close. Everything else works without.
"use strict";
(() => {
  const root = document.documentElement;
  root.classList.add("with-script");

  const announce = (text) => {
    document.getElementById("announce").textContent = text;
  };

  async function copy(button) {
    const text = button.parentElement.querySelector("code").textContent;
    try {
      await navigator.clipboard.writeText(text);
    } catch {
      if (!copySelected(button.parentElement.querySelector("code"))) {
        announce("The browser did not allow copying. Select the text and copy it yourself.");
        return;
      }
    }
    const word = button.querySelector(".copy-word");
    button.classList.add("done");
    word.textContent = "Copied";
    announce("Copied");
    setTimeout(() => {
      button.classList.remove("done");
      word.textContent = "Copy";
      announce("");
    }, 2000);
  }

  // Without https, browsers copy only what is selected.
  function copySelected(element) {
    const selection = getSelection();
    selection.selectAllChildren(element);
    const copied = document.execCommand("copy");
    selection.removeAllRanges();
    return copied;
  }

  // The same cookie that POST /theme sets, so that the next page comes in the right colours.
  function chooseTheme(button) {
    const theme = button.value;
    const secure = location.protocol === "https:" ? "; Secure" : "";
    document.cookie = `partnergate_theme=${theme}; Path=/; SameSite=Lax; Max-Age=${theme ? 31536000 : 0}${secure}`;
    if (theme) {
      root.dataset.theme = theme;
    } else {
      delete root.dataset.theme;
    }
    for (const other of document.querySelectorAll(".theme button")) {
      other.setAttribute("aria-pressed", String(other.value === theme));
    }
    document.dispatchEvent(new Event("theme"));
  }

  document.addEventListener("click", (event) => {
    const button = event.target.closest("[data-copy]");
    if (button) {
      copy(button);
    }
    for (const menu of document.querySelectorAll(".menu[open]")) {
      if (!menu.contains(event.target)) {
        menu.open = false;
      }
    }
  });

  document.addEventListener("submit", (event) => {
    if (event.target.matches("[data-themes]") && event.submitter) {
      event.preventDefault();
      chooseTheme(event.submitter);
    }
  });

  // What was listed before the last swap, so that the focus can go on to what
  // is new where the link that asked for it is gone.
  let listed = 0;
  document.addEventListener("htmx:before:swap", () => {
    listed = document.querySelectorAll("#log > li").length;
  });
  document.addEventListener("htmx:after:swap", () => {
    const tried = document.getElementById("tried");
    if (tried) { // the answer to a call
      tried.scrollIntoView({block: "nearest"});
      announce(tried.querySelector("[data-said]")?.textContent ?? "");
      return;
    }
    const items = document.querySelectorAll("#log > li");
    announce(items.length === 1 ? "1 request" : `${items.length} requests`);
    if (document.activeElement === document.body && items.length > listed) {
      items[listed].querySelector("summary").focus();
    }
  });

  // Where there are more environments than fit side by side, the one that the
  // page is about is among those in sight.
  function showEnvironment() {
    const current = document.querySelector(".environments [aria-current]");
    if (current) {
      const row = current.parentElement;
      row.scrollLeft = current.offsetLeft - row.offsetLeft - (row.clientWidth - current.offsetWidth) / 2;
    }
  }
  document.addEventListener("htmx:after:swap", showEnvironment);
  showEnvironment();

  // An address that names an operation shows it opened.
  function openNamed() {
    const named = document.getElementById(location.hash.slice(1));
    if (named?.matches("details")) {
      named.open = true;
    }
  }
  addEventListener("hashchange", openNamed);
  openNamed();

  document.addEventListener("focusout", (event) => {
    const menu = event.target.closest(".menu[open]");
    if (menu && event.relatedTarget && !menu.contains(event.relatedTarget)) {
      menu.open = false;
    }
  });

  document.addEventListener("keydown", (event) => {
    const menu = event.key === "Escape" && document.querySelector(".menu[open]");
    if (menu) {
      menu.open = false;
      menu.querySelector("summary").focus();
    }
  });
})();

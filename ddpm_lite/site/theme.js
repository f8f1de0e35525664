// Light or dark: as the system has it, until the reader presses the button; the choice is kept where the browser allows it.
(() => {
  const root = document.documentElement;
  const system = window.matchMedia("(prefers-color-scheme: dark)");
  const isDark = () => (root.dataset.theme ? root.dataset.theme === "dark" : system.matches);
  try {
    const kept = localStorage.getItem("ddpm_lite.theme");
    if (kept) root.dataset.theme = kept;
  } catch {
    // A page from a disk may have no storage: then the choice lasts as long as the page.
  }
  document.addEventListener("DOMContentLoaded", () => {
    const button = document.getElementById("theme");
    const show = () => {
      button.textContent = isDark() ? "Light" : "Dark";
      button.setAttribute("aria-label", `${button.textContent} colours`);
    };
    button.hidden = false;
    button.addEventListener("click", () => {
      root.dataset.theme = isDark() ? "light" : "dark";
      show();
      try {
        localStorage.setItem("ddpm_lite.theme", root.dataset.theme);
      } catch {
        // as above
      }
    });
    system.addEventListener("change", show);
    show();
  });
})();

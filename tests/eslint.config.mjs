// How the JavaScript of the views and of the web pages is checked; without imports, so that any ESLint from 9 on can read it.
const browser = ["window", "document", "console", "performance", "setTimeout", "clearTimeout", "localStorage", "Blob", "URL"];
browser.push("ImageData", "OffscreenCanvas", "Path2D", "Event", "IntersectionObserver", "ResizeObserver", "TextDecoder", "atob");
browser.push("requestAnimationFrame", "cancelAnimationFrame", "WebAssembly", "Worker", "MessageChannel", "DecompressionStream", "Response");

export default [
  {
    languageOptions: {
      ecmaVersion: 2024,
      sourceType: "module",
      globals: Object.fromEntries(browser.map((name) => [name, "readonly"])),
    },
    rules: {
      "array-callback-return": "error",
      curly: ["error", "multi-line"],
      eqeqeq: "error",
      "no-const-assign": "error",
      "no-constant-condition": "error",
      "no-dupe-args": "error",
      "no-dupe-else-if": "error",
      "no-dupe-keys": "error",
      "no-duplicate-case": "error",
      "no-empty": "error",
      "no-fallthrough": "error",
      "no-implicit-globals": "error",
      "no-redeclare": "error",
      "no-self-assign": "error",
      "no-self-compare": "error",
      "no-shadow": ["error", { allow: ["build"] }],
      "no-undef": "error",
      "no-unreachable": "error",
      "no-unused-expressions": ["error", { allowShortCircuit: true, allowTernary: true }],
      "no-unused-vars": "error",
      "no-use-before-define": ["error", { functions: false, variables: false }],
      "no-useless-assignment": "error",
      "no-var": "error",
      "prefer-const": "error",
      "valid-typeof": "error",
    },
  },
];

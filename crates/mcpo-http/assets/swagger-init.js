// Starts Swagger UI on the document that stands beside the page. Nothing is asked of anybody else:
// no validator, no remote fonts.
"use strict";

// The document with nothing of its paths and components but what stands at `path`, and what that
// refers to.
function part(document, path) {
  if (path.length === 0) return document;
  const { paths, components, ...rest } = document;
  const whole = { paths, components };
  const taken = { ...rest, paths: {}, components: {} };
  const seen = new Set();
  const open = [path];
  const look = value => {
    if (typeof value !== "object" || value === null) return;
    if (typeof value.$ref === "string") open.push(keysOf(value.$ref));
    Object.values(value).forEach(look);
  };
  while (open.length > 0) {
    const keys = open.pop();
    const name = JSON.stringify(keys);
    if (seen.has(name)) continue;
    seen.add(name);
    look(take(whole, taken, keys));
  }
  return taken;
}

// The keys of `#/components/schemas/a~1b`. What has been resolved beside it refers to the document by
// its address.
function keysOf(reference) {
  const [, pointer = ""] = reference.split("#/");
  const key = text => text.replaceAll("~1", "/").replaceAll("~0", "~");
  try {
    return pointer.split("/").map(text => key(decodeURIComponent(text)));
  } catch {
    // It leads nowhere: Swagger UI says so where it is shown.
    return [""];
  }
}

// Puts what stands there in `from` at the same place of `to`, and gives it, if there is anything.
function take(from, to, keys) {
  const last = keys.length - 1;
  for (const [at, key] of keys.entries()) {
    if (typeof from !== "object" || from === null || !Object.hasOwn(from, key) || key === "__proto__") return undefined;
    // Of a list there is no part.
    if (at === last || Array.isArray(from[key])) to[key] = from[key];
    else to[key] ??= {};
    [from, to] = [from[key], to[key]];
  }
  return from;
}

// For every tool that is opened Swagger UI works through all that it is given, half a minute for ten
// thousand tools: it is given what it needs.
const partly = () => ({
  afterLoad(system) {
    const whole = system.fn.resolveSubtree;
    system.fn.resolveSubtree = (document, path, ...more) => whole(part(document, path), path, ...more);
  },
});

window.addEventListener("load", () => {
  window.ui = SwaggerUIBundle({
    url: "openapi.json",
    dom_id: "#swagger-ui",
    deepLinking: true,
    layout: "BaseLayout",
    presets: [SwaggerUIBundle.presets.apis],
    plugins: [partly],
    showCommonExtensions: true,
    showExtensions: true,
    validatorUrl: null,
  });
});

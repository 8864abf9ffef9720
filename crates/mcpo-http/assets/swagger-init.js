// Starts Swagger UI on the document that stands beside the page. Nothing is asked of anybody else:
// no validator, no remote fonts.
"use strict";

window.addEventListener("load", () => {
  window.ui = SwaggerUIBundle({
    url: "openapi.json",
    dom_id: "#swagger-ui",
    deepLinking: true,
    layout: "BaseLayout",
    presets: [SwaggerUIBundle.presets.apis],
    showCommonExtensions: true,
    showExtensions: true,
    validatorUrl: null,
  });
});

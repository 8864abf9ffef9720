#!/bin/sh
# Fetches Swagger UI and Redoc and packs them into mcpo-http, with their licences, and uPlot for the
# dashboard. Needs npm.
# Redoc's addresses of pictures on its makers' servers are taken out: a page of ours asks nobody
# else for anything. Change the versions here, and the ETags in assets.rs with them.
set -eu

swagger=5.35.0
redoc=3.0.1
uplot=1.6.32
target=$(cd "$(dirname "$0")/../crates/mcpo-http/assets" && pwd)
dashboard=$(cd "$target/../dashboard" && pwd)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"

npm pack --silent "swagger-ui-dist@$swagger" "redoc@$redoc" "uplot@$uplot" >/dev/null
for name in "swagger-ui-dist-$swagger" "redoc-$redoc" "uplot-$uplot"; do
    mkdir "$name"
    tar -xzf "$name.tgz" -C "$name" --strip-components=1
done

nothing='data:image/svg+xml,<svg xmlns=%22http://www.w3.org/2000/svg%22/>'
sed -e "s#https://cdn\.redoc\.ly/redoc/logo-mini\(-full\)\?\.svg#$nothing#g" \
    -e "s#https://cdn\.redocly\.com/icons/#/redoc-icons/#g" \
    -e "s#API docs by\`#API docs by Redocly\`#" \
    -e "s#https://otel\.cloud\.redocly\.com/v1/traces#about:blank#g" \
    "redoc-$redoc/bundles/redoc.standalone.js" >redoc.standalone.js

pack() { gzip -9 -n -c "$1" >"$target/$2.gz"; }
pack "swagger-ui-dist-$swagger/swagger-ui-bundle.js" swagger-ui-bundle.js
pack "swagger-ui-dist-$swagger/swagger-ui.css" swagger-ui.css
pack redoc.standalone.js redoc.standalone.js
cp "swagger-ui-dist-$swagger/favicon-32x32.png" "$target/"
cp "swagger-ui-dist-$swagger/LICENSE" "$target/swagger-ui.LICENSE"
cp "swagger-ui-dist-$swagger/NOTICE" "$target/swagger-ui.NOTICE"
cp "swagger-ui-dist-$swagger/swagger-ui-bundle.js.LICENSE.txt" "$target/"
cp "redoc-$redoc/LICENSE" "$target/redoc.LICENSE"
cp "uplot-$uplot/dist/uPlot.iife.min.js" "$dashboard/uplot.js"
cp "uplot-$uplot/dist/uPlot.min.css" "$dashboard/uplot.css"
cp "uplot-$uplot/LICENSE" "$dashboard/uPlot.LICENSE"

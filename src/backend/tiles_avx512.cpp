#define KRIGON_TILES_NAME avx512_tiles
#define KRIGON_TILES_LABEL "avx512"
#define KRIGON_VECTOR_BYTES 64
#define KRIGON_PANEL_COLUMNS 10
#define KRIGON_SPREAD_VECTORS 3
#define KRIGON_SPREAD_SUMS 24
#define KRIGON_LANE_ROWS 4
#include "backend/tiles_body.inc"

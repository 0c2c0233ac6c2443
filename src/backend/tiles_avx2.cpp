#define KRIGON_TILES_NAME avx2_tiles
#define KRIGON_TILES_LABEL "avx2"
#define KRIGON_VECTOR_BYTES 32
#define KRIGON_PANEL_COLUMNS 5
#define KRIGON_SPREAD_VECTORS 5
#define KRIGON_SPREAD_SUMS 10
#define KRIGON_LANE_ROWS 2
#include "backend/tiles_body.inc"

// What DPF wants to know at compile time. BANDMATE_VARIANT is 0, 1 or 2, in the order of the core's
// Variant; BANDMATE_EDITOR is 1 where there is OpenGL to draw with.
#pragma once

#define DISTRHO_PLUGIN_BRAND "bandmate"

#if BANDMATE_VARIANT == 0
#define DISTRHO_PLUGIN_NAME "bandmate Stems"
#define DISTRHO_PLUGIN_URI "urn:bandmate:stems"
#define DISTRHO_PLUGIN_CLAP_ID "bandmate.stems"
#define DISTRHO_PLUGIN_NUM_INPUTS 2
#define DISTRHO_PLUGIN_NUM_OUTPUTS 2
#elif BANDMATE_VARIANT == 1
#define DISTRHO_PLUGIN_NAME "bandmate Stems Multi"
#define DISTRHO_PLUGIN_URI "urn:bandmate:stems-multi"
#define DISTRHO_PLUGIN_CLAP_ID "bandmate.stems-multi"
#define DISTRHO_PLUGIN_NUM_INPUTS 2
#define DISTRHO_PLUGIN_NUM_OUTPUTS 14 // dry and six stems
#else
#define DISTRHO_PLUGIN_NAME "bandmate Part"
#define DISTRHO_PLUGIN_URI "urn:bandmate:part"
#define DISTRHO_PLUGIN_CLAP_ID "bandmate.part"
#define DISTRHO_PLUGIN_NUM_INPUTS 10 // the mix and four side-chains
#define DISTRHO_PLUGIN_NUM_OUTPUTS 2
#endif

#define DISTRHO_PLUGIN_IS_RT_SAFE 1
#define DISTRHO_PLUGIN_WANT_DIRECT_ACCESS BANDMATE_EDITOR
#define DISTRHO_PLUGIN_WANT_FULL_STATE 1
#define DISTRHO_PLUGIN_WANT_PROGRAMS 0
#define DISTRHO_PLUGIN_WANT_STATE 1
#define DISTRHO_PLUGIN_WANT_TIMEPOS 1

#define DISTRHO_PLUGIN_HAS_UI BANDMATE_EDITOR
#define DISTRHO_UI_USE_NANOVG 1
#define DISTRHO_UI_FILE_BROWSER 0
#define DISTRHO_UI_DEFAULT_WIDTH 560
#define DISTRHO_UI_DEFAULT_HEIGHT 340

#define DISTRHO_PLUGIN_LV2_CATEGORY "lv2:UtilityPlugin"
#define DISTRHO_PLUGIN_VST3_CATEGORIES "Fx|Tools"
#define DISTRHO_PLUGIN_CLAP_FEATURES "audio-effect", "utility"

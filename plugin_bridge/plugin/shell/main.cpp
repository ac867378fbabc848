// DPF's DistrhoPluginMain.cpp with the mended copies of its wrappers (see dpf_fixes.hpp).
#include "src/DistrhoPlugin.cpp"

#include "dpf_fixes.hpp"

#if defined(DISTRHO_PLUGIN_TARGET_CLAP)
#include "fixed/DistrhoPluginCLAP.cpp"
#elif defined(DISTRHO_PLUGIN_TARGET_LV2)
#include "src/DistrhoPluginLV2.cpp"
#include "src/DistrhoPluginLV2export.cpp"
#elif defined(DISTRHO_PLUGIN_TARGET_VST3)
#include "fixed/DistrhoPluginVST3.cpp"
#endif

#define DISTRHO_IS_STANDALONE 0
#include "src/DistrhoUtils.cpp"

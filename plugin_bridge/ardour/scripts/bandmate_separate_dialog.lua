ardour {
	["type"]    = "EditorAction",
	name        = "bandmate: Separate...",
	license     = "MIT",
	author      = "bandmate",
	description = [[Choose what to split the selected regions, or the selected range on the selected tracks, into.]]
}

-- Ardour keeps only what is inside factory (), and drops an action after one uncaught error.
function factory () return function ()
	local library = ARDOUR.user_config_directory (-1) .. "/bandmate/"
	local ok, problem = pcall (function ()
		local wire = assert (loadfile (library .. "wire.lua")) (library)
		wire.guarded (assert (loadfile (library .. "separate.lua")), library, true)
	end)
	if not ok then
		LuaDialog.Message ("bandmate", tostring (problem), LuaDialog.MessageType.Error, LuaDialog.ButtonType.OK):run ()
	end
end end

ardour {
	["type"]    = "EditorAction",
	name        = "bandmate: Add part...",
	license     = "MIT",
	author      = "bandmate",
	description = [[Play new parts (bass, drums, guitar, piano) to the selected regions, or to the selected range of the selected tracks.]]
}

-- Ardour keeps only what is inside factory (), and drops an action after one uncaught error.
function factory () return function ()
	local library = ARDOUR.user_config_directory (-1) .. "/bandmate/"
	local ok, problem = pcall (function ()
		local wire = assert (loadfile (library .. "wire.lua")) (library)
		wire.guarded (assert (loadfile (library .. "add.lua")), library)
	end)
	if not ok then
		LuaDialog.Message ("bandmate", tostring (problem), LuaDialog.MessageType.Error, LuaDialog.ButtonType.OK):run ()
	end
end end

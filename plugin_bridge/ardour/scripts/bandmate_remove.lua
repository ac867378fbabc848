ardour {
	["type"]    = "EditorAction",
	name        = "bandmate: Remove last result",
	license     = "MIT",
	author      = "bandmate",
	description = [[Remove the tracks of the last result, and let what it took the place of sound again.]]
}

-- Ardour keeps only what is inside factory (), and drops an action after one uncaught error.
function factory () return function ()
	local library = ARDOUR.user_config_directory (-1) .. "/bandmate/"
	local ok, problem = pcall (function ()
		local wire = assert (loadfile (library .. "wire.lua")) (library)
		wire.guarded (assert (loadfile (library .. "remove.lua")), library)
	end)
	if not ok then
		LuaDialog.Message ("bandmate", tostring (problem), LuaDialog.MessageType.Error, LuaDialog.ButtonType.OK):run ()
	end
end end
